"""The whole matrix has the cells of every claim: here with the workloads of claims 7 and 9 only."""

from __future__ import annotations

import pytest

import techniques
import workloads
from results.claims import isolation
from results.claims.evidence import Evidence
from results.run import Run
from techniques.isolation import ATTACKS
from trapbench import default_matrix
from trapbench.harness import run_matrix
from trapbench.selection import Selection

SHARING = (default_matrix.MEASURED, default_matrix.NEIGHBOUR)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """As by `trapbench run --technique hvm-ept`, of a suite of attacks and two guests that share."""
    suite = [w for w in workloads.all() if w.name in ATTACKS or w.name in SHARING]
    path = tmp_path_factory.mktemp("runs") / "matrix"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workloads, "all", lambda: suite)
        run_matrix(path, Selection(techniques=["hvm-ept"]), jobs=1)
    return Run.load(path)


@pytest.mark.parametrize("technique", [name for name in techniques.names() if name != "native"])
def test_a_vmm_beside_the_next_one_leaves_both_guests_as_natively(technique: str) -> None:
    *_, (name, knobs) = default_matrix.companions(technique)
    found = techniques.run_guest(technique, workloads.find(name), "small", knobs=knobs)
    native = techniques.run_guest("native", workloads.find(name), "small")
    assert (found.status, found.reason) == ("ok", "")  # the neighbour's word too
    assert found.outcome_parts.items() <= native.outcome_parts.items()
    assert found.counters_total["world.switch"] >= 8


def test_every_cell_is_as_it_should_be(matrix: Run) -> None:
    assert matrix.unexpected().empty
    counts = matrix.runs[matrix.runs["technique"] == "hvm-ept"]["knobs"].value_counts().to_dict()
    assert counts == {
        "{}": len(ATTACKS) + len(SHARING),
        '{"protection":false}': len(ATTACKS),
        '{"beside":"hvm-shadow:kernel/signal"}': 1,
    }


def test_claim_7_has_a_verdict_with_numbers_and_cells(matrix: Run) -> None:
    found = isolation.blocked_dma(Evidence(matrix, {}))
    devices = len([name for name in ATTACKS if name.startswith(isolation.DMA)])
    assert found.verdict == "holds"
    assert found.numbers == {
        "techniques": 1,
        "attacks": devices,
        "blocked and recorded": devices,
        "succeeded unprotected": devices,
    }
    assert len(found.cells) == devices


def test_claim_9_has_a_verdict_with_numbers_and_cells(matrix: Run) -> None:
    found = isolation.several_machines(Evidence(matrix, {}))
    assert found.verdict == "holds"
    assert found.numbers == {
        "cells beside others": 1,
        "as native": 1,
        "attempts stopped": 7,
        "succeeded unprotected": 7,
    }
    assert found.cells == ("hvm-ept × kernel/exec beside hvm-shadow:kernel/signal",)
