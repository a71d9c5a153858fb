"""Whatever a preset, a profile, a sweep or a table of one's own holds: a result, or one sentence and status 2."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hardware_model import presets
from hardware_model.cost_table import KEYS
from hardware_model.presets import PresetError
from results import published
from results.cell import Cell
from results.errors import ResultsError
from results.finished import Finished
from results.validation import comparison, own
from trapbench import cli

CASES = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = st.sampled_from(
    (
        *("base", "title", "microarchitecture", "vmx", "frequency", "sources", "tlb", "costs"),
        *("value", "low", "high", "unit", "kind", "source", "l1d", "l2", "pde", "4k", "2m"),
        *("rates", "exits", "system-calls", "HLT", *KEYS[:40:4], "insn", "ESTIMATE", ""),
    )
)
LEAVES = st.one_of(
    st.sampled_from(
        ("nehalem", "cycles", "estimated", "ESTIMATE: x", "none", "own.toml", "MINE: x")
    ),
    st.integers(-(10**400), 10**400),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
    st.text(max_size=8),
    st.dates(date(1, 1, 1)),
    st.lists(st.integers(-3, 600), max_size=3),
)
TABLES = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=5),
    lambda below: st.dictionaries(NAMES, LEAVES | below, max_size=5),
    max_leaves=12,
)
NOISE = st.binary(max_size=60)
OWN = f"""
base = "nehalem"
[sources]
MINE = "measured here"
[tlb.l2]
"4k" = {{ value = [512, 4], unit = "entries, ways", kind = "measured", source = "MINE: x" }}
[costs]
{KEYS[0]} = {{ value = 1, low = 1, high = 2, unit = "cycles", kind = "estimated", source = "MINE: x" }}
"""


HUGE = f"value = {10**400}, low = 1, high = {10**400}"


def toml(value: object) -> str:
    """A value of a TOML file; tables inline."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value)
        case Mapping():
            return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case _:
            return str(value)


def laid_over(table: Mapping[str, object]) -> bytes:
    """A file of that table, with a base, so that some are good presets."""
    lines = [f"{json.dumps(key)} = {toml(value)}" for key, value in table.items()]
    return "\n".join(lines if "base" in table else ['base = "nehalem"', *lines]).encode()


def spliced(text: str, position: int, removed: int, noise: bytes) -> bytes:
    """The text with a piece of noise in it."""
    content = text.encode()
    at = position % (len(content) + 1)
    return content[:at] + noise + content[at + removed :]


FILES = st.one_of(
    NOISE,
    st.builds(laid_over, TABLES),
    st.builds(spliced, st.just(OWN), st.integers(0, 1000), st.integers(0, 30), NOISE),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result folder of one cell and its native one."""
    from results.folder import ResultFolder
    from results.manifest import Manifest
    from results.planned import Planned

    native = Finished(
        cell=Cell("kernel/null-call", "small", "emulated", "nehalem", "native"),
        key="k",
        status="ok",
        digest="d",
        guest_status=0,
        outcome={},
        counters={"roi": {"insn.alu": 1000, "insn.syscall": 10}, "total": {}},
        instructions=1000,
        host_seconds=0.1,
        console="",
    )
    cells = [native, replace(native, cell=replace(native.cell, technique="bt"), key="l")]
    plan = Manifest(plan=tuple(Planned(c.cell, c.key, c.cell.workload) for c in cells))
    path = tmp_path_factory.mktemp("garbage") / "run"
    with ResultFolder.locked(path) as opened:
        opened.begin(plan)
        for cell in cells:
            opened.store(cell)
        opened.complete(plan)
    return path


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str]) -> Callable[..., int]:
    """Runs a command, and checks that what it says of an error is one sentence."""

    def invoked(*arguments: object) -> int:
        status = cli.invoke([str(argument) for argument in arguments])
        said = capsys.readouterr().err
        if status:
            assert status == 2, said
            assert said.startswith("trapbench: ") and said.count("\n") == 1, said
        return status

    return invoked


@CASES
@given(content=FILES)
@example(content=OWN.encode())
@example(content=OWN.replace("value = 1, low = 1, high = 2", HUGE).encode())
def test_any_preset(
    invoke: Callable[..., int], folder: Path, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(content)
    status = invoke("show", folder, "--by", "interval", "--preset", path)
    if status == 0:
        assert set(presets.load(path).costs) <= set(KEYS)


@CASES
@given(content=st.one_of(NOISE, st.builds(laid_over, TABLES)))
@example(content=b"[rates]\nsystem-calls = 10")
def test_any_profile(
    invoke: Callable[..., int], folder: Path, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "profile.toml"
    path.write_bytes(content.removeprefix(b'base = "nehalem"\n'))
    invoke("advise", folder, "--profile", path)


SERIES = st.from_regex(
    r"[a-z.]{0,9}=?[0-9a-zKMGi.,]{0,9}(\.\.[0-9KMi]{1,9}[+*][0-9]{0,4})?", fullmatch=True
)


@CASES
@given(text=SERIES | st.text(max_size=20))
@example(text="size=..+")
@example(text="footprint=1..2*99999999999999999999")
def test_any_sweep(invoke: Callable[..., int], tmp_path: Path, text: str) -> None:
    arguments = ("--workload", "nano/callret", "--technique", "native", "--sweep", text)
    assert invoke("run", *arguments, "--geometry", "none-such", "--out", tmp_path / "x") == 2


HEADER = (
    "source_id,citation,year,cpu,microarchitecture,benchmark,technique,metric,value,unit,workload"
)


@settings(CASES, max_examples=12)
@given(
    content=st.one_of(
        NOISE,
        st.builds(
            lambda cells: "\n".join([HEADER, *(",".join(row) for row in cells)]).encode(),
            st.lists(
                st.lists(st.sampled_from(("", "x", "1", "-1", "nan", "us", '"', "bt")), max_size=14)
            ),
        ),
    )
)
def test_any_measurements_of_ones_own(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(content)
    try:
        table = own.read(path)
    except (ResultsError, PresetError) as error:
        assert str(path) in str(error) or isinstance(error, PresetError)
    else:
        assert len(comparison.compare([], own=table)) == len(table) + len(published.validation())
