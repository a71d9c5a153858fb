"""Claim 6 is judged by the order of the I/O models and by how near assignment comes to native."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from results.cell import Cell
from results.claims.devices import software_devices
from results.claims.evidence import Evidence, Finding
from results.finished import Finished
from results.run import Run

NATIVE = {"insn.alu": 100_000}
Judge = Callable[..., Finding]


@pytest.fixture
def judge(native: Finished, fill_folder: Callable[..., Path]) -> Judge:
    """Judges exits by I/O model, under hvm-ept, of a guest that does `NATIVE` besides."""

    def made(**exits: int) -> Finding:
        counters = {io: NATIVE | {"exits": n} for io, n in exits.items()}
        cells = [("native", "emulated", NATIVE), *(("hvm-ept", *c) for c in counters.items())]
        finished = [
            replace(
                native,
                cell=Cell("io/disk-read", "small", io, "nehalem", technique),
                counters={"roi": counted, "total": counted},
            )
            for technique, io, counted in cells
        ]
        return software_devices(Evidence(Run.load(fill_folder("a", finished)), {}))

    return made


def test_in_order_and_near_native_it_holds(judge: Judge) -> None:
    finding = judge(emulated=500, paravirtual=100, passthrough=2)
    assert finding.verdict == "holds"
    assert finding.numbers["hvm-ept, emulated: entries into the VMM"] == 500


def test_in_order_and_far_from_native_it_depends(judge: Judge) -> None:
    assert judge(emulated=900, paravirtual=600, passthrough=300).verdict == "depends"


def test_out_of_order_it_does_not_hold(judge: Judge) -> None:
    assert judge(emulated=500, paravirtual=100, passthrough=200).verdict == "does not hold"


def test_without_one_of_the_models_it_is_not_tested(judge: Judge) -> None:
    finding = judge(emulated=500, passthrough=2)
    assert finding.verdict == "not tested"
    assert "paravirtual" in finding.why
