"""Direct assignment against the other models, per frame: exact counts, and the order under every technique."""

from __future__ import annotations

import pytest

from tests.docs.io_entries import MODELS
from tests.techniques.io_models.cells import IO, entries, run

PACKETS = [name for name in IO if "network" in name or "storm" in name]
VTX = ("hvm-ept", "hvm-shadow")


def found(technique: str, name: str) -> dict[str, int]:
    """Entries into the VMM by model."""
    return {
        label: entries(run(technique, name, io, knobs))
        for label, (io, knobs, having) in MODELS.items()
        if technique in having
    }


@pytest.mark.parametrize("name", PACKETS)
@pytest.mark.parametrize("technique", [*VTX, "bt", "trap-and-emulate"])
def test_an_assigned_card_enters_the_vmm_less_than_an_emulated_one_and_than_rings_without_batching(
    technique, name
):
    by_model = found(technique, name)
    assert by_model["passthrough"] < by_model["emulated"]
    assert by_model["passthrough"] < by_model["… without batching"]


@pytest.mark.parametrize("name", PACKETS)
@pytest.mark.parametrize("technique", VTX)
def test_with_posted_interrupts_it_never_does(technique, name):
    by_model = found(technique, name)
    assert by_model["… posted"] == 0 < by_model["paravirtual"] < by_model["… without batching"]


@pytest.mark.parametrize("name", PACKETS)
@pytest.mark.parametrize("technique", VTX)
def test_what_is_left_without_posting_is_two_exits_an_interrupt(technique, name):
    cell = run(technique, name, "passthrough").counters_roi
    assert cell["exits"] == 2 * cell["io.interrupt"]
    assert (
        cell["exit.external_interrupt" if "storm" in name else "exit.hlt"] <= cell["io.interrupt"]
    )


def test_batching_makes_paravirtual_storms_cheaper_than_an_interrupt_for_each_frame():
    """256 frames come as 22 bundles; the assigned card, which does not moderate here, interrupts for each."""
    assert found("hvm-ept", "io/interrupt-storm") == {
        "emulated": 4 * 256 + 2,
        "paravirtual": 44,
        "… without batching": 3 * 256 + 2,
        "passthrough": 2 * 256,
        "… posted": 0,
    }
    moderated = found("hvm-ept", "io/interrupt-storm@moderated")
    assert (moderated["passthrough"], moderated["paravirtual"]) == (2 * 26, 44)
