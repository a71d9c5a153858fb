"""Damaged input of every kind: an exit status and one sentence, never a traceback."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

import workloads
from hardware_model import presets
from tests.proofs import kernel_fuzzing
from tests.proofs.figures import counted
from trapbench.cli import invoke

SHORT, LONG, PARTS = 40, 2000, 20
_PACKAGE = Path(workloads.__file__).parent
_PRESETS = Path(presets.__file__).parent / "presets"
WORDS = (
    "run", "show", "diff", "list", "validate", "claims", "crossover", "plot", "advise", "disasm",
    "report", "merge", "trace", "sensitivity", "compare-host", "fetch", "--technique", "--workload",
    "--sweep", "--beside", "--resume", "--profile", "--seconds",
    "--timeout", "--scheduler", "--format", "--kernel", "--append", "footprint=1,2", "footprint=9..1*1", "footprint=1..1e9+1",
    "shadow.policy=trace", "bt:nano/in", "pv:", ":", "local", "tcp://127.0.0.1:1",
    "--io", "--size", "--geometry", "--set", "--budget", "--jobs", "--out", "--json", "--preset", "--by", "--vary", "--between",
    "native", "hvm-ept", "bt", "nano/syscall", "compute/sieve", "small", "huge", "nehalem", "emulated", "", "=", "a=b", "ü",
    "-1", "0", "1e9", "99999999999999999999", "../..", "/dev/null", "/proc/self/mem", "nowhere", "*", "vmx.*", "--", "-", "--help",
)  # fmt: skip
COMMANDS = 16
SLOW = {"run", "disasm", "validate", "trace"}


def verdict(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit status and what stood on standard error, after the checks that hold for any input."""
    status = invoke(arguments)
    printed = capsys.readouterr()
    assert status in (0, 1, 2), arguments
    assert "Traceback" not in printed.err, arguments
    if status == 2:
        assert printed.err.count("\n") == 1, (arguments, printed.err)
    return status, printed.err


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Content with one kind of damage."""
    kind = chance.randrange(6)
    at, length = chance.randrange(len(content) + 1), chance.randrange(1, 40)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + chance.randbytes(length) + content[at + length :]
    if kind == 2:
        return content[:at] + content[at + length :]
    if kind == 3:
        return content[:at] + content[at : at + length] * 3 + content[at + length :]
    if kind == 4:
        lines = content.splitlines(keepends=True)
        chance.shuffle(lines)
        return b"".join(lines[: len(lines) // 2])
    return chance.randbytes(at)


def command_lines(seeds: range, capsys: pytest.CaptureFixture[str]) -> None:
    """Random words; commands that would run cells get a technique that does not exist."""
    for seed in seeds:
        chance = random.Random(seed)
        words = [
            chance.choice(WORDS[: COMMANDS if chance.random() < 0.7 else None]),
            *chance.choices(WORDS, k=chance.randrange(6)),
        ]
        if SLOW & set(words):
            words += ["--technique", "nothing"]
        verdict(words, capsys)
        counted("input fuzzing: command lines")


def sources(seeds: range, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damaged workload files, run natively with a small budget."""
    files = sorted(_PACKAGE.glob("*/*.asm"))
    for seed in seeds:
        chance = random.Random(seed)
        original = chance.choice([f for f in files if f.parent.name != "kernel_source"])
        broken = folder / "broken.asm"
        broken.write_bytes(damaged(original.read_bytes(), chance))
        out = folder / f"out-{seed}"
        options = ["--technique=native", "--budget=300000", "--jobs=1", f"--out={out}"]
        verdict(["run", f"--workload={broken}", *options], capsys)
        counted("input fuzzing: workload sources")


def preset_files(seeds: range, folder: Path) -> None:
    """Damaged presets are refused with one sentence that names the file, or are presets."""
    for seed in seeds:
        chance = random.Random(seed)
        original = chance.choice(sorted(_PRESETS.glob("*.toml")))
        broken = folder / "broken.toml"
        broken.write_bytes(damaged(original.read_bytes(), chance))
        try:
            presets.load(str(broken))
        except presets.PresetError as error:
            assert "\n" not in str(error)
            assert "broken.toml" in str(error)
        counted("input fuzzing: presets")


def result_folders(
    seeds: range, good: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One damaged, missing or foreign file in a result folder; every command that reads folders."""
    (folder / "profile.toml").write_text("[rates]\nsystem-calls = 1000\n")
    for seed in seeds:
        chance = random.Random(seed)
        copy = folder / f"copy-{seed}"
        shutil.copytree(good, copy)
        victim = chance.choice([path for path in sorted(copy.rglob("*")) if path.is_file()])
        if chance.random() < 0.2:
            other = chance.choice([path for path in sorted(good.rglob("*")) if path.is_file()])
            victim.write_bytes(other.read_bytes())
        else:
            victim.write_bytes(damaged(victim.read_bytes(), chance))
        command = chance.choice(
            (
                ["show"],
                ["diff", str(good)],
                ["claims"],
                ["crossover", "--vary", "vmx.*"],
                ["validate"],
                ["advise", "--profile", str(folder / "profile.toml")],
                ["sensitivity"],
            )
        )
        verdict(
            [
                command[0],
                *command[1:2] * (command[0] == "diff"),
                str(copy),
                *command[1:] * (command[0] != "diff"),
            ],
            capsys,
        )
        shutil.rmtree(copy)
        counted("input fuzzing: result folders")


def kernel_files(seeds: range) -> None:
    """Damaged kernels are refused with one sentence that names the file or the place, or can be loaded."""
    for seed in seeds:
        sentence = kernel_fuzzing.read_wholly(kernel_fuzzing.damaged(random.Random(seed)))
        assert "\n" not in sentence
        counted(f"input fuzzing: kernel files {'refused' if sentence else 'loaded'}")


def kernels_that_run(seeds: range, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same through the command line, natively, with a small budget."""
    for seed in seeds:
        kernel, out = folder / "kernel", folder / f"kernel-{seed}"
        kernel.write_bytes(kernel_fuzzing.damaged(random.Random(seed)))
        technique = "pv" if seed % 4 == 3 else "native"
        options = [f"--technique={technique}", "--budget=100000", "--jobs=1", f"--out={out}"]
        _, error = verdict(["run", f"--kernel={kernel}", "--no-cache", *options], capsys)
        assert error.count("\n") <= 2
        counted("input fuzzing: kernels that were run")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small result folder."""
    out = tmp_path_factory.mktemp("good") / "run"
    cells = ["--workload=nano/syscall", "--technique=native", "--technique=hvm-ept"]
    assert invoke(["run", *cells, "--jobs=1", f"--out={out}"]) == 0
    return out


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_random_command_lines(capsys: pytest.CaptureFixture[str]) -> None:
    command_lines(range(10 * SHORT), capsys)


def test_damaged_workload_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources(range(SHORT // 4), tmp_path, capsys)


def test_damaged_presets(tmp_path: Path) -> None:
    preset_files(range(2 * SHORT), tmp_path)


def test_damaged_result_folders(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result_folders(range(2 * SHORT), good, tmp_path, capsys)


def test_damaged_kernel_files() -> None:
    kernel_files(range(25 * SHORT))


def test_damaged_kernels_that_are_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernels_that_run(range(SHORT // 8), tmp_path, capsys)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_thousands_of_damaged_inputs(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], part: int
) -> None:
    def seeds(count: int) -> range:
        first = 10_000 + part * count // PARTS
        return range(first, first + count // PARTS)

    command_lines(seeds(5 * LONG), capsys)
    sources(seeds(LONG // 4), tmp_path, capsys)
    preset_files(seeds(LONG), tmp_path)
    result_folders(seeds(LONG), good, tmp_path, capsys)
    kernel_files(seeds(20 * LONG))
    kernels_that_run(seeds(LONG // 20), tmp_path, capsys)
