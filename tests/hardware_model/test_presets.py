"""A preset is complete and sourced, and what is wrong with one is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardware_model import presets
from hardware_model.cost_table import KEYS
from hardware_model.preset_schema import needs_ept
from hardware_model.presets import PresetError
from hardware_model.vmx.feature_levels import BY_LABEL

GOOD = '{ value = 1, low = 1, high = 2, unit = "cycles", kind = "estimated", source = "MINE: x" }'
OWN = f"""
base = "nehalem"
[sources]
MINE = "measured here"
[costs]
vmx.round_trip = {GOOD}
"""


def written(tmp_path: Path, text: str, name: str = "own.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_of_the_package_is_complete(name: str) -> None:
    preset = presets.load(name)
    no_ept = preset.vmx == "first-generation"
    assert tuple(preset.costs) == tuple(k for k in KEYS if not (no_ept and needs_ept(k)))
    assert preset.vmx in BY_LABEL or preset.vmx == "none"
    assert preset.geometry.name == name
    assert preset.frequency.unit == "hertz"


@pytest.mark.parametrize("name", presets.names())
def test_an_estimate_has_a_range_and_every_source_is_cited(name: str) -> None:
    preset = presets.load(name)
    estimates = {key: cost for key, cost in preset.costs.items() if cost.kind == "estimated"}
    assert all(cost.low < cost.high for cost in estimates.values())
    cited = {cost.source.partition(":")[0] for cost in preset.costs.values()}
    assert cited <= set(preset.sources)


def test_nehalem_has_the_published_numbers() -> None:
    preset = presets.load("nehalem")
    assert preset.costs["vmx.round_trip"].value == 1009
    assert preset.costs["insn.rdtsc"].value == 24
    pair = preset.costs["insn.pushf"].value + preset.costs["insn.popf"].value
    assert pair == pytest.approx(20.8, rel=0.01)
    assert [(a.entries, a.ways) for a in preset.geometry.l2] == [(512, 4)]


def test_a_core_without_a_second_level_does_not_inherit_one() -> None:
    prescott = presets.load("prescott").geometry
    assert prescott.l2 == ()
    assert [(a.sizes, a.entries) for a in prescott.l1d] == [(("4k", "2m"), 64)]


def test_vm_exits_became_cheaper_with_every_generation_of_the_first_five() -> None:
    order = ("prescott", "merom", "penryn", "nehalem", "westmere")
    trips = [presets.load(name).costs["vmx.round_trip"].value for name in order]
    assert trips == sorted(trips, reverse=True)


def test_a_file_that_names_a_base_replaces_what_it_names(tmp_path: Path) -> None:
    own = presets.load(written(tmp_path, OWN))
    base = presets.load("nehalem")
    assert own.name == "own"
    assert own.costs["vmx.round_trip"].value == 1
    assert own.costs["vmx.vmread"] == base.costs["vmx.vmread"]
    assert set(own.sources) == {*base.sources, "MINE"}


def test_a_base_may_be_a_file_beside_it(tmp_path: Path) -> None:
    written(tmp_path, OWN, "first.toml")
    second = presets.load(written(tmp_path, 'base = "first.toml"\ntitle = "second"', "second.toml"))
    assert second.title == "second"
    assert second.costs["vmx.round_trip"].value == 1


def test_a_changed_cost_changes_the_digest_but_not_that_of_the_geometry(tmp_path: Path) -> None:
    own = written(tmp_path, OWN, "nehalem.toml")
    assert presets.digest(own) != presets.digest("nehalem")
    assert presets.geometry_digest(own) == presets.geometry_digest("nehalem")
    assert presets.digest("nehalem") == presets.digest("nehalem")


BAD = {
    "no TOML": ("= 1", "is no TOML"),
    "unknown top-level key": (
        'base = "nehalem"\ntitel = "x"',
        "titel is no key.*did you mean title",
    ),
    "missing top-level key": ('title = "x"', "microarchitecture is missing"),
    "no text": ('base = "nehalem"\ntitle = 1', "title is 1, not a text"),
    "unknown vmx level": ('base = "nehalem"\nvmx = "vt-y"', "vmx is 'vt-y', not one of none"),
    "base not known": ('base = "pentium"', "no preset 'pentium': known are .*nehalem"),
    "base a number": ("base = 5", "base is 5, not the name"),
    "base of itself": ('base = "bad.toml"', "base leads through more than 8 files"),
    "unknown cost": (OWN.replace("round_trip", "round_trp"), "round_trp is no cost; did you mean"),
    "number for a cost": (OWN.replace(GOOD, "7"), "costs.vmx.round_trip is 7, not a table"),
    "missing field": (OWN.replace("low = 1, ", ""), "costs.vmx.round_trip.low is missing"),
    "unknown field": (OWN.replace("low =", "lwo = 1, low ="), "lwo is unknown; did you mean low"),
    "text for a number": (OWN.replace("value = 1", 'value = "1"'), "value is '1', not a number"),
    "not finite": (OWN.replace("high = 2", "high = inf"), "high is inf, not a finite number"),
    "too large": (OWN.replace("high = 2", "high = 1e300"), r"high is beyond 1e\+15"),
    "outside its range": (OWN.replace("value = 1", "value = 3"), "between its low and its high"),
    "negative": (OWN.replace("low = 1", "low = -1"), "low is negative"),
    "another unit": (OWN.replace('"cycles"', '"seconds"'), "unit is 'seconds', not cycles"),
    "unknown kind": (OWN.replace('"estimated"', '"guessed"'), "kind is 'guessed', not one of"),
    "source not listed": (OWN.replace('"MINE: x"', '"YOURS: x"'), "source cites 'YOURS'"),
    "TLB without a source": (
        'base = "nehalem"\n[tlb.l2]\n"4k" = { value = [512, 4] }',
        "tlb.l2.4k.kind is missing",
    ),
    "impossible TLB": (
        OWN + '[tlb.l2]\n"4k" = { value = [500, 3], kind = "estimated", source = "MINE: x" }',
        "500 entries in 3 ways",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=list(BAD))
def test_a_bad_file_gives_one_sentence_with_file_and_key(
    tmp_path: Path, text: str, message: str
) -> None:
    path = written(tmp_path, text, "bad.toml")
    with pytest.raises(PresetError, match=message) as caught:
        presets.load(path)
    assert "\n" not in str(caught.value)
    assert "bad.toml" in str(caught.value) or "pentium" in str(caught.value)


def test_an_unknown_name_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="no preset 'nehalme': known are"):
        presets.load("nehalme")
    with pytest.raises(PresetError, match="cannot be read: No such file"):
        presets.load(tmp_path / "absent.toml")


@pytest.mark.parametrize("name", presets.names())
def test_what_is_called_measured_or_calibrated_cites_a_publication(name: str) -> None:
    for key, cost in presets.load(name).costs.items():
        if cost.kind != "estimated":
            assert not cost.source.startswith("ESTIMATE"), key
