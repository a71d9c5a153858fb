"""The command line: what it prints, and that every mistake is one sentence and a status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from results.folder import DEFAULT_PARENT
from trapbench.cli import invoke

USER_ERROR = 2

_HEADER = """\
#: title = "Broken"
#: stresses = "the assembler"
#: outcome = "none"
#: small = { n = 1 }
#: standard = { n = 1 }
#: large = { n = 1 }
"""


@pytest.fixture(autouse=True)
def _empty_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("frobnicate", "unknown command 'frobnicate'; known: advise, "),
        ("run --bogus", "No such option"),
        ("run --jobs 0", "'--jobs'"),
        ("run --jobs many", "'--jobs'"),
        ("run --technique hvm-etp", "unknown technique 'hvm-etp'; did you mean hvm-ept"),
        (
            "run --workload compute/siev",
            "did you mean compute/sieve",
        ),
        ("run --workload missing.asm", "missing.asm"),
        ("run --kernel vmlinuz-missing", "vmlinuz-missing cannot be read: No such file"),
        ("run --kernel /dev/null", "/dev/null: not a 64-bit little-endian ELF file"),
        ("run --initrd initrd.cpio", "--initrd and --append go with a --kernel"),
        ("run --workload linux/bot", "there is no workload 'linux/bot'; did you mean linux/boot"),
        ("fetch windows", "'windows' is not 'linux'"),
        ("run --size huge", "unknown size 'huge'"),
        ("run --io telepathy", "unknown I/O model 'telepathy'"),
        ("run --geometry nehalme", "unknown geometry 'nehalme'; did you mean nehalem"),
        ("run --set shadow.policy", "not of the form KNOB=VALUE"),
        ("run --set shadow.polciy=trace", "did you mean shadow.policy"),
        ("run --set shadow.policy=best", "knob shadow.policy takes"),
        (
            "run --set shadow.policy=trace --set shadow.policy=unsync",
            "--set shadow.policy is given twice",
        ),
        ("run --set hvm-shadwo.shadow.policy=trace", "did you mean hvm-shadow.shadow.policy"),
        ("run --resume", "no result folder in trapbench-runs/"),
        ("run --out /proc/nowhere", "/proc/nowhere"),
        ("show", "no result folder in trapbench-runs/"),
        ("show nowhere", "nowhere is not a folder"),
        ("show --by colour", "'--by'"),
        ("diff nowhere elsewhere", "nowhere is not a folder"),
        ("diff nowhere", "no result folder in trapbench-runs/; name one"),
        ("list colours", "'colours' is not one of"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(arguments.split()) == USER_ERROR
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("trapbench: ")
    assert printed.err.count("\n") == 1
    assert sentence in printed.err


def test_a_mistake_leaves_no_folder_behind() -> None:
    invoke(["run", "--technique", "nothing"])
    assert not DEFAULT_PARENT.exists()


def test_a_folder_with_other_files_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    assert invoke(["run", "--out", str(tmp_path)]) == USER_ERROR
    assert "holds other files than results" in capsys.readouterr().err


def test_a_broken_assembly_file_is_one_sentence_naming_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.asm"
    broken.write_text(_HEADER + "\n@user\nuser_main:\n    frobnicate rax, rbx\n")
    assert invoke(["run", "--workload", str(broken), "--technique", "native"]) == 1
    error = capsys.readouterr().err
    assert "broken.asm" in error
    assert error.count("\n") == 1


def test_a_broken_workload_header_is_one_sentence_naming_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.asm"
    broken.write_text("#: title = [unclosed\n\n@user\nuser_main:\n    ret\n")
    assert invoke(["run", "--workload", str(broken), "--technique", "native"]) == USER_ERROR
    error = capsys.readouterr().err
    assert "broken.asm" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("kind", ["techniques", "workloads", "porting", "presets", "counters"])
def test_list_prints_the_same_names_for_people_and_for_programs(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["list", kind]) == 0
    table = capsys.readouterr().out
    assert invoke(["list", kind, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert all(next(iter(row.values())) in table for row in rows)


def test_workloads_are_listed_with_what_porting_took(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["list", "workloads", "--json"]) == 0
    rows = {row["workload"]: row for row in json.loads(capsys.readouterr().out)}
    memory = next(
        d for d in rows["kernel/fork-wait"]["porting"]["differences"] if d["category"] == "memory"
    )
    assert memory["ported_lines"] > memory["native_lines"] > 0
    assert rows["kernel/fork-wait"]["not_ported"] == ""
    assert "MOV with CR8" in rows["exit/mov-to-cr8"]["not_ported"]


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_nothing_that_takes_long(arguments: list[str]) -> None:
    program = (
        f"import sys; from trapbench import cli; cli.invoke({arguments!r}); print(*sys.modules)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    heavy = {"pandas", "numpy", "pyarrow", "matplotlib", "unicorn", "numba", "keystone", "rich"}
    assert "click" in loaded
    assert not loaded & heavy


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in ("list", "run", "show", "diff"))


def test_a_closed_pipe_is_no_error() -> None:
    listing = f"{sys.executable} -m trapbench list counters | head -1"
    command = ["bash", "-o", "pipefail", "-c", listing]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
