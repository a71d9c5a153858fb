"""The tables of docs/io-entries.md and docs/io-models.md are what the cells count."""

from __future__ import annotations

import pytest

import techniques
from tests.docs.io_entries import MODELS, PAGE, TECHNIQUES, labels, row, units
from tests.techniques.io_models.cells import entries, run

ROWS = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
_SUMMARY = PAGE.with_name("io-models.md").read_text("utf-8").partition("<!-- by unit -->")[2]
SUMMARY = [
    [field.strip() for field in line.strip("|").split("|")]
    for line in _SUMMARY.split("\n\n")[1].splitlines()[2:]
]


def fields(line):
    return tuple(field.strip() for field in line.strip("|").split("|"))


def test_the_table_has_every_workload_under_every_model():
    assert [(fields(line)[0], fields(line)[2]) for line in ROWS] == list(labels())


@pytest.mark.parametrize("line", ROWS, ids=lambda line: "-".join(fields(line)[0:3:2]))
def test_entries_into_the_vmm_are_those_of_the_table(line):
    workload, _, label, *_ = fields(line)
    assert line == row(workload, label)


@pytest.mark.parametrize("label", MODELS)
def test_a_dash_is_a_model_that_the_technique_does_not_have(label):
    io, knobs, having = MODELS[label]
    for technique in set(TECHNIQUES) - set(having):
        with pytest.raises((techniques.Skipped, techniques.UnknownKnob)):
            run(technique, "io/doorbells", io, knobs)


@pytest.mark.parametrize("line", SUMMARY, ids=lambda line: line[0])
def test_the_summary_by_unit_follows_from_the_entries(line):
    name, _, *numbers = line
    for (io, knobs, _), number in zip(MODELS.values(), numbers, strict=True):
        for technique in TECHNIQUES[:2]:
            found = entries(run(technique, f"io/{name}", io, knobs))
            assert f"{found / units(name)[0]:.2f}".rstrip("0").rstrip(".") == number
