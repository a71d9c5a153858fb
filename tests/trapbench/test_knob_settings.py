"""Settings of knobs, from text to the values a technique declares."""

from __future__ import annotations

import pytest

from results.cell import KnobValue
from techniques import Knob, UnknownKnob
from trapbench import knob_settings
from trapbench.errors import SelectionError

POLICY = Knob("policy", "trace", ("trace", "unsync"), "shadow policy", "none")
VPID = Knob("vpid", True, (True, False), "tagged TLB", "none")
ROOTS = Knob("roots", 16, (4, 16), "recent roots kept", "memory")

PAGE = Knob("ept.page", "4k", ("4k", "2m"), "EPT page size", "none")

DECLARED = {
    "native": {},
    "hvm-shadow": {"policy": POLICY, "roots": ROOTS},
    "hvm-ept": {"vpid": VPID, "ept.page": PAGE},
    "bt": {"policy": POLICY},
}


def _chosen(*texts: str) -> dict[str, dict[str, KnobValue]]:
    chosen = knob_settings.by_technique(knob_settings.parse(texts), DECLARED)
    return {technique: knobs for technique, knobs in chosen.items() if knobs}


def test_a_knob_is_set_for_every_technique_that_has_it() -> None:
    assert _chosen("policy=unsync") == {
        "hvm-shadow": {"policy": "unsync"},
        "bt": {"policy": "unsync"},
    }


def test_a_knob_can_be_set_for_one_technique() -> None:
    assert _chosen("bt.policy=unsync") == {"bt": {"policy": "unsync"}}


@pytest.mark.parametrize("name", ["ept.page", "hvm-ept.ept.page"])
def test_a_knobs_name_may_hold_a_dot(name: str) -> None:
    assert _chosen(f"{name}=2m") == {"hvm-ept": {"ept.page": "2m"}}


def test_a_default_that_is_spelt_out_is_no_other_cell() -> None:
    assert _chosen("policy=trace", "vpid=on", "roots=16") == {}


@pytest.mark.parametrize("text", ["off", "false", "no", "False", "OFF"])
def test_booleans_are_written_in_several_ways(text: str) -> None:
    assert _chosen(f"vpid={text}") == {"hvm-ept": {"vpid": False}}


def test_values_from_python_need_no_text() -> None:
    chosen = knob_settings.by_technique({"vpid": False, "roots": 4}, DECLARED)
    assert chosen["hvm-ept"] == {"vpid": False}
    assert chosen["hvm-shadow"] == {"roots": 4}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("policy", "'policy' is not of the form KNOB=VALUE"),
        ("=x", "not of the form KNOB=VALUE"),
        ("polciy=trace", "unknown knob 'polciy'; did you mean policy"),
        ("native.policy=trace", "unknown knob 'native.policy'; did you mean"),
        ("b.policy=trace", "unknown knob 'b.policy'; did you mean bt.policy"),
        ("policy=best", "knob policy takes one of trace, unsync, not 'best'"),
        ("vpid=perhaps", "knob vpid takes"),
        ("roots=many", "knob roots takes one of 4, 16, not 'many'"),
    ],
)
def test_a_wrong_setting_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises((SelectionError, UnknownKnob), match=sentence):
        _chosen(text)
