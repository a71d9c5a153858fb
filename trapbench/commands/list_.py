"""`trapbench list`: what can be run, and what is counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from techniques import Knob
    from workloads import LinuxWorkload, Workload

Rows = list[dict[str, str]]

_KNOB_COLUMNS = ("knob", "default", "values", "meaning", "price")


def _techniques() -> Rows:
    import techniques

    rows: Rows = []
    for name in techniques.names():
        meaning = techniques.find(name).doc
        no_knob = dict.fromkeys(_KNOB_COLUMNS, "") | {"meaning": meaning}
        rows.append({"technique": name, **no_knob})
        rows += [{"technique": name, **_knob(knob)} for knob in techniques.knobs(name).values()]
    return rows


def _knob(knob: Knob) -> dict[str, str]:
    values = " ".join(map(str, knob.choices)) or type(knob.default).__name__
    texts = (knob.name, str(knob.default), values, knob.doc, str(knob.price))
    return dict(zip(_KNOB_COLUMNS, texts, strict=True))


def _workloads() -> Rows:
    import workloads

    every: list[Workload | LinuxWorkload] = [*workloads.all(), *workloads.linux()]
    return [
        {"workload": w.name, "title": w.title, "stresses": w.stresses, "outcome": w.outcome}
        for w in every
    ]


def _porting() -> Rows:
    from workloads.porting_ledger import ledger

    return [{key: str(value) for key, value in row.items()} for row in ledger().rows()]


def _with_porting(rows: Rows) -> list[dict[str, object]]:
    """For programs: what porting took for the kernel under each workload, and which workloads it leaves out."""
    from workloads.porting_ledger import ledger

    counted = ledger()
    porting = {"shared_lines": counted.shared_lines, "differences": counted.rows()}
    return [row | {"not_ported": _not_ported(row["workload"]), "porting": porting} for row in rows]


def _not_ported(workload: str) -> str:
    """Why technique pv skips the workload; empty if it does not."""
    import techniques
    import workloads

    try:
        techniques.find("pv").check(workloads.find(workload), "small")
    except techniques.Skipped as skipped:
        return str(skipped)
    return ""


def _presets() -> Rows:
    from hardware_model import presets

    return [{"preset": name, "title": presets.load(name).title} for name in presets.names()]


def _counters() -> Rows:
    from hardware_model.counters import COUNTERS

    return [
        {"counter": c.name, "group": c.group, "unit": c.unit, "meaning": c.doc} for c in COUNTERS
    ]


def _claims() -> Rows:
    from results.claims.catalogue import CLAIMS

    return [{"claim": str(claim.number), "statement": claim.statement} for claim in CLAIMS]


def _activities() -> Rows:
    from results.advice.activities import ACTIVITIES

    return [
        {"activity": a.name, "meaning": a.doc, "KVM's exit": a.kvm, "workload": a.workload}
        for a in ACTIVITIES
    ]


_KINDS: dict[str, Callable[[], Rows]] = {
    "techniques": _techniques,
    "workloads": _workloads,
    "porting": _porting,
    "presets": _presets,
    "counters": _counters,
    "claims": _claims,
    "activities": _activities,
}


@click.command("list")
@click.argument("kind", type=click.Choice(list(_KINDS)), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(kind: str | None, as_json: bool) -> None:
    """List techniques, workloads, what porting took, presets, counters, claims, or a profile's activities.

    Without a word, all of them.
    """
    listed = {name: _KINDS[name]() for name in ([kind] if kind else _KINDS)}
    if as_json:
        detailed = {k: _with_porting(r) if k == "workloads" else r for k, r in listed.items()}
        click.echo(json.dumps(detailed[kind] if kind else detailed, indent=1))
        return
    from trapbench import terminal

    for rows in listed.values():
        columns = list(rows[0]) if rows else []
        terminal.print_table("", columns, map(_texts, rows), left=len(columns))


def _texts(row: dict[str, str]) -> list[str]:
    return list(row.values())
