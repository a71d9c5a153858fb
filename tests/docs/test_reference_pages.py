"""The reference pages of the site show every row of the tables that they are made of, with its text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import reference_pages as reference
from markdown_it import MarkdownIt
from markdown_it.token import Token

import techniques
import workloads
from hardware_model import presets
from hardware_model.cost_table import COSTS
from hardware_model.counters import COUNTERS
from hardware_model.system_instructions import SYSTEM_INSTRUCTIONS, critical, document
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from results.advice.activities import ACTIVITIES
from techniques.paravirtual.hypercall_table import HYPERCALLS
from trapbench.lessons import LESSONS

Row = tuple[str, ...]


def rows(page: str, section: str = "") -> list[Row]:
    """The cells of every table row of a page (or of one section), titles left out, as a reader sees them."""
    if section:
        page = re.split(rf"^## {re.escape(section)}$", page, flags=re.MULTILINE)[1]
        page = page.split("\n## ")[0]
    found: list[list[str]] = []
    for token in MarkdownIt().enable("table").parse(page):
        if token.type == "tr_open":
            found.append([])
        elif token.type == "thead_close":
            found.pop()
        elif token.type == "inline" and token.level == 4:
            found[-1].append(_seen(token.children or []))
    return [tuple(row) for row in found]


def _seen(tokens: Sequence[Token]) -> str:
    """The text of a cell; a tag is not seen, nor is the sign that makes a word bold."""
    return "".join(t.content for t in tokens if t.type in ("text", "code_inline"))


def _one_line(text: object) -> str:
    return str(text).replace("\n", " ").replace("`", "").strip()


def declared(*columns: object) -> Row:
    return tuple(map(_one_line, columns))


def test_every_counter_is_there_with_unit_and_meaning() -> None:
    page = reference.counters()
    assert rows(page) == [declared(c.name, c.unit, c.doc) for c in COUNTERS]
    assert all(c.doc and c.unit for c in COUNTERS)


def test_every_counter_stands_under_its_group() -> None:
    page = reference.counters()
    for group in {c.group for c in COUNTERS}:
        assert {row[0] for row in rows(page, group)} <= {
            c.name for c in COUNTERS if c.group == group
        }


def test_every_cost_is_there_with_what_it_multiplies() -> None:
    expected = [declared(c.key, c.doc, " ".join(c.counters)) for c in COSTS]
    assert rows(reference.costs()) == expected


def test_every_exit_reason_is_there_with_its_number_and_text() -> None:
    expected = [
        declared(
            *(int(r), r.name, r.doc, "yes" if r.qualified else "", "yes" if r.instruction else "")
        )
        for r in Reason
    ]
    assert rows(reference.exit_reasons()) == expected
    assert all(r.doc for r in Reason)


def test_every_field_of_the_vmcs_is_there_with_its_encoding() -> None:
    found = {row[1]: row for row in rows(reference.vmcs_fields())}
    assert set(found) == {f.name for f in Field}
    for f in Field:
        encoding, _, bits, since, doc = found[f.name]
        assert int(encoding, 16) == f and int(bits) == f.width.bits
        assert (since, doc) == declared(f.since.label, f.doc)


def test_every_hypercall_is_there_with_what_it_asks_for() -> None:
    assert rows(reference.hypercalls()) == [declared(h.number, h.name, h.doc) for h in HYPERCALLS]
    assert all(h.doc for h in HYPERCALLS)


@pytest.mark.parametrize("technique", techniques.names())
def test_every_knob_is_there_with_its_values_and_its_price(technique: str) -> None:
    knobs = techniques.knobs(technique).values()
    expected = [
        declared(k.name, k.default, " ".join(map(str, k.choices)), k.doc, k.price) for k in knobs
    ]
    page = reference.knobs()
    assert rows(page, technique) == expected
    assert all(k.price and k.doc for k in knobs)
    assert techniques.find(technique).doc[1:] in page.split(f"## {technique}\n")[1]


@pytest.mark.parametrize("name", presets.names())
def test_every_number_of_a_preset_is_there_with_its_source(name: str) -> None:
    preset, page = presets.load(name), reference.preset(name)
    numbers, _, citations = page.partition("## Sources")
    expected = {"frequency": preset.frequency, **preset.costs}
    found = {row[0]: row[1:] for row in rows(numbers)}
    assert list(found) == list(expected)
    for key, q in expected.items():
        *values, unit, kind, source = found[key]
        assert [float(v) for v in values] == pytest.approx([q.value, q.low, q.high], rel=1e-5)
        assert (unit, kind, source) == declared(q.unit, q.kind, q.source)
    assert rows(citations) == [declared(*pair) for pair in preset.sources.items()]
    assert {row[-1].split(":")[0] for row in found.values()} <= set(preset.sources)


def test_every_workload_is_there_with_what_it_stresses() -> None:
    expected = [declared(w.name, w.title, w.stresses, w.outcome) for w in workloads.all()]
    assert sorted(rows(reference.suite())) == sorted(expected)


def test_every_activity_is_there_with_its_exit_and_workload() -> None:
    expected = [declared(a.name, a.doc, a.kvm, a.workload) for a in ACTIVITIES]
    assert rows(reference.activities()) == expected


def test_the_help_of_every_command_is_there_with_its_examples() -> None:
    page = reference.command_line()
    for name, lesson in LESSONS.items():
        text = page.split(f"## trapbench {name}\n")[1].split("\n## ")[0]
        assert all(f"  {typed}\n" in text for _, typed in lesson.examples), name


def test_every_system_instruction_is_there_with_what_becomes_of_it() -> None:
    page = document.page()
    assert rows(page, "Critical instructions") == [
        declared(r.mnemonic, r.reason, r.cpl1, ", ".join(r.differs)) for r in critical()
    ]
    assert rows(page, "The list of Robin and Irvine in 64-bit mode") == [
        declared(r.mnemonic, r.long_mode, r.trap_and_emulate)
        for r in SYSTEM_INSTRUCTIONS
        if r.robin_irvine
    ]
    found = {row[0]: row[1:] for row in rows(page, "All system instructions")}
    assert list(found) == [r.mnemonic for r in SYSTEM_INSTRUCTIONS]
    for r in SYSTEM_INSTRUCTIONS:
        sensitive = r.sensitivity if r.sensitive else "no"
        expected = declared(r.forms, r.privilege, sensitive, r.exit, r.exit_reason, r.cost_key)
        assert found[r.mnemonic] == expected
    assert rows(page, "What each technique does with them") == [
        declared(r.mnemonic, r.trap_and_emulate, r.bt, r.pv, r.hvm) for r in SYSTEM_INSTRUCTIONS
    ]


def test_pages_that_have_not_changed_are_not_written_again(tmp_path: Path) -> None:
    reference.write(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    reference.write(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert len(before) == len(reference.pages()) + 1
