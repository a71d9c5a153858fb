"""A footprint says whether the TLB's misses are to be reckoned with."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardware_model import presets
from results.advice import footprint, profile
from results.errors import ResultsError


@pytest.mark.parametrize(("name", "reach"), [("prescott", 256 << 10), ("nehalem", 2 << 20)])
def test_the_reach_is_that_of_the_largest_tlb(name: str, reach: int) -> None:
    assert footprint.reach(presets.load(name)) == reach


def test_a_footprint_within_the_reach_expects_few_misses() -> None:
    said = footprint.sentence(1 << 20, {}, presets.load("nehalem"))
    assert said.startswith("a footprint of 1 MiB lies within the reach of its TLB (2 MiB)")


def test_a_footprint_beyond_the_reach_asks_for_the_misses() -> None:
    said = footprint.sentence(64 << 20, {"system-calls": 5.0}, presets.load("nehalem"))
    assert "64 MiB is beyond the reach of its TLB (2 MiB)" in said
    assert "add tlb-misses to the profile" in said


def test_a_profile_with_misses_needs_no_footprint() -> None:
    assert footprint.sentence(64 << 20, {"tlb-misses": 5.0}, presets.load("nehalem")) == ""


@pytest.mark.parametrize(
    ("text", "size"),
    [("", None), ("[memory]\nfootprint = 4096", 4096), ("[memory]\nfootprint = '3Gi'", 3 << 30)],
)
def test_a_footprint_is_bytes_or_has_a_unit(tmp_path: Path, text: str, size: int | None) -> None:
    (tmp_path / "p.toml").write_text(text)
    assert profile.footprint(tmp_path / "p.toml") == size


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("memory = 3", "has nothing but a footprint"),
        ("[memory]\nsize = 3", "has nothing but a footprint"),
        ("[memory]\nfootprint = '3 parsecs'", "not a size such as '64Mi'"),
        ("[memory]\nfootprint = -1", "not a size"),
        ("[memory]\nfootprint = 0", "not a size"),
        ("[memory]\nfootprint = true", "not a size"),
    ],
)
def test_what_is_no_footprint_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(ResultsError, match=sentence):
        profile.footprint(tmp_path / "p.toml")
