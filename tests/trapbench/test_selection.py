"""Selections: names to cells, in the same order every time."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

import techniques
import workloads
from results.cell import CIRCUMSTANCES, Cell
from techniques.isolation import ATTACKS, PROTECTION
from techniques.several.beside import BESIDE
from trapbench import planning
from trapbench.content_key import content_key
from trapbench.selection import IO_MODELS, Selection


def test_no_selection_is_every_technique_times_every_workload() -> None:
    everything = [cell for cell, _ in Selection().cells()]
    cells = [cell for cell in everything if cell.knobs == "{}"]
    models = [len(IO_MODELS) if w.family == "io" else 1 for w in workloads.all()]
    assert len(cells) == len(techniques.names()) * sum(models)
    assert {c.io for c in cells if not c.workload.startswith("io/")} == {"emulated"}
    assert {c.io for c in cells if c.workload.startswith("io/")} == set(IO_MODELS)
    assert {(c.size, c.geometry) for c in everything} == {("small", "nehalem")}
    assert len(everything) == len(set(everything))


def test_no_selection_has_each_attack_unprotected_and_each_vmm_beside_another() -> None:
    cells = [cell for cell, _ in Selection().cells() if cell.knobs != "{}"]
    vmms = [name for name in techniques.names() if name != "native"]
    unprotected = [c for c in cells if c.knob_values == {"protection": False}]
    assert {(c.technique, c.workload) for c in unprotected} == set(product(vmms, ATTACKS))
    beside = [c for c in cells if c not in unprotected]
    assert [c.technique for c in beside] == vmms
    neighbours = [str(c.knob_values["beside"]).partition(":")[0] for c in beside]
    assert sorted(neighbours) == vmms
    assert all(c.technique != neighbour for c, neighbour in zip(beside, neighbours, strict=True))


def test_what_is_asked_for_comes_alone() -> None:
    for asked in (
        Selection(workloads=["isolation", "kernel/pipe"]),
        Selection(knobs={"vpid": False}),
        Selection(sweeps={"vpid": ["on", "off"]}),
    ):
        knobs = {name for cell, _ in asked.cells() for name in cell.knob_values}
        assert knobs.isdisjoint(CIRCUMSTANCES)


def test_circumstances_are_the_knobs_that_every_vmm_has() -> None:
    assert {BESIDE.name, PROTECTION.name} == set(CIRCUMSTANCES)


def test_a_family_is_all_its_workloads() -> None:
    cells = [cell for cell, _ in Selection(["native"], ["compute"]).cells()]
    assert [c.workload for c in cells] == [w.name for w in workloads.all() if w.family == "compute"]


def test_naming_a_workload_twice_selects_it_once() -> None:
    selection = Selection(["native"], ["compute/sieve", "compute", "compute/sieve"])
    names = [cell.workload for cell, _ in selection.cells()]
    assert sorted(names) == sorted(set(names))


def test_the_order_of_techniques_is_not_the_order_of_naming() -> None:
    forward = list(Selection(["native", "hvm-ept"], ["compute"]).cells())
    assert forward == list(Selection(["hvm-ept", "native"], ["compute"]).cells())


def test_a_knob_makes_another_cell() -> None:
    plain = Selection(["hvm-shadow"], ["compute/sieve"])
    unsync = Selection(["hvm-shadow"], ["compute/sieve"], knobs={"shadow.policy": "unsync"})
    assert [c.knobs for c, _ in plain.cells()] == ["{}"]
    assert [c.knobs for c, _ in unsync.cells()] == ['{"shadow.policy":"unsync"}']


def test_a_missing_file_is_an_unknown_workload(tmp_path: Path) -> None:
    with pytest.raises(workloads.UnknownWorkload, match=r"nothing\.asm"):
        list(Selection(["native"], [str(tmp_path / "nothing.asm")]).cells())


def test_a_plan_holds_each_cells_native_cell_once() -> None:
    planned = planning.plan(Selection(["hvm-ept", "hvm-shadow"], ["compute/sieve"]))
    natives = [p for p in planned if p.cell.technique == "native"]
    assert [p.auxiliary for p in natives] == [True]
    assert len(planned) == 3


def test_a_plan_carries_what_the_workload_expects() -> None:
    expecting = [w for w in workloads.all() if w.expect]
    planned = planning.plan(Selection([], [expecting[0].name]))
    expected = {p.cell.technique: p.expected for p in planned}
    assert expected == {t: expecting[0].expect.get(t, "ok") for t in techniques.names()}


def test_a_content_key_depends_on_everything_that_counters_depend_on() -> None:
    cell = Cell("compute/sieve", "small", "emulated", "nehalem", "native")
    keys = {
        content_key(cell, "binary", "geometry", None),
        content_key(cell, "another binary", "geometry", None),
        content_key(cell, "binary", "another geometry", None),
        content_key(cell, "binary", "geometry", 1000),
        content_key(cell.baseline, "binary", "geometry", None),
    }
    assert len(keys) == 4


def test_the_key_of_an_attack_depends_on_its_victim(monkeypatch: pytest.MonkeyPatch) -> None:
    def keys() -> list[str]:
        chosen = Selection(["hvm-ept"], ["isolation/dma", "compute/sieve"]).cells()
        return [planning.plan_cell(*pair, None, auxiliary=False).key for pair in chosen]

    attack, other = keys()
    monkeypatch.setattr(planning, "VICTIM", "nano/syscall")
    assert keys()[0] != attack
    assert keys()[1] == other


def test_linux_programs_with_devices_come_with_every_io_model() -> None:
    cells = [cell for cell, _ in Selection(["hvm-ept"], ["linux"]).cells()]
    models = {
        name: {c.io for c in cells if c.workload == name} for name in {c.workload for c in cells}
    }
    assert models["linux/boot"] == {"emulated"}
    assert models["linux/disk"] == models["linux/network"] == set(IO_MODELS)
