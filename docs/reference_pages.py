"""The reference pages of the site, each made from the declared table that the code itself uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path

import click

import techniques
import workloads
from hardware_model import presets
from hardware_model.cost_table import COSTS
from hardware_model.counters import COUNTERS
from hardware_model.quantity import Quantity
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from results.advice.activities import ACTIVITIES
from techniques.paravirtual.hypercall_table import HYPERCALLS
from trapbench.cli import trapbench


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in lines)


def _cell(value: object) -> str:
    """Text as a cell that shows it: `@<size>` is no tag, `2 * n * m` nothing in italics; code stays as it is."""
    parts = str(value).replace("|", "\\|").replace("\n", " ").split("`")
    parts[::2] = [re.sub(r"([<*])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def counters() -> str:
    """Every counter by group."""
    parts = ["# Counters", "A counter is a fact: an integer that depends on no cost."]
    for group, members in groupby(COUNTERS, key=lambda c: c.group):
        rows = [(f"`{c.name}`", c.unit, c.doc) for c in members]
        parts += [f"## {group}", table(("counter", "unit", "meaning"), rows)]
    return "\n\n".join(parts)


def costs() -> str:
    """Which cost multiplies which counters."""
    parts = [
        "# Costs",
        "Cycles are the sum over all costs of the cost times its counters. A preset gives each cost its cycles.",
    ]
    for component, members in groupby(COSTS, key=lambda c: c.component):
        rows = [(f"`{c.key}`", c.doc, " ".join(f"`{n}`" for n in c.counters)) for c in members]
        parts += [f"## {component}", table(("cost", "of", "counters"), rows)]
    return "\n\n".join(parts)


def preset(name: str) -> str:
    """One preset with the source of every number."""
    found = presets.load(name)
    rows = [("`frequency`", *_quantity(found.frequency))]
    rows += [(f"`{key}`", *_quantity(cost)) for key, cost in found.costs.items()]
    return "\n\n".join(
        (
            f"# Preset {name}",
            f"{found.title}. VT-x: {found.vmx}.",
            table(("key", "value", "low", "high", "unit", "kind", "source"), rows),
            "## Sources",
            table(("key", "citation"), found.sources.items()),
        )
    )


def _quantity(q: Quantity) -> tuple[object, ...]:
    return (f"{q.value:g}", f"{q.low:g}", f"{q.high:g}", q.unit, q.kind, q.source)


def exit_reasons() -> str:
    """The basic exit reasons of VT-x."""
    rows = [
        (int(r), r.name, r.doc, "yes" if r.qualified else "", "yes" if r.instruction else "")
        for r in Reason
    ]
    titles = ("number", "name", "happens when", "qualified", "has an instruction length")
    return "\n\n".join(
        ("# Exit reasons", "Numbers and names of SDM vol. 3D, appendix C.", table(titles, rows))
    )


def vmcs_fields() -> str:
    """The fields of the VMCS."""
    rows = [(f"{int(f):#06x}", f.name, f.width.bits, f.since.label, f.doc) for f in Field]
    titles = ("encoding", "field", "bits", "since", "meaning")
    return "\n\n".join(
        ("# VMCS fields", "Encodings of SDM vol. 3D, appendix B.", table(titles, rows))
    )


def hypercalls() -> str:
    """The hypercalls of the PV interface."""
    rows = [(h.number, f"`{h.name}`", h.doc) for h in HYPERCALLS]
    intro = (
        "Numbers and names of Xen's public headers. Another number returns -ENOSYS and is counted."
    )
    return "\n\n".join(("# Hypercalls", intro, table(("number", "name", "asks for"), rows)))


def knobs() -> str:
    """Techniques and their knobs with their price."""
    parts = [
        "# Techniques and knobs",
        "A knob is set by `--set KNOB=VALUE`, or `--set TECHNIQUE.KNOB=VALUE`.",
    ]
    for name in techniques.names():
        parts += [
            f"## {name}",
            techniques.find(name).doc[:1].upper() + techniques.find(name).doc[1:] + ".",
        ]
        rows = [
            (
                f"`{k.name}`",
                "" if k.default == "" else f"`{k.default}`",
                " ".join(f"`{c}`" for c in k.choices),
                *(k.doc, k.price),
            )
            for k in techniques.knobs(name).values()
        ]
        parts += [table(("knob", "default", "values", "meaning", "price"), rows)] if rows else []
    return "\n\n".join(parts)


def suite() -> str:
    """The workloads of the suite."""
    parts = ["# Workloads"]
    for family, members in groupby(workloads.all(), key=lambda w: w.family):
        rows = [(f"`{w.name}`", w.title, w.stresses, w.outcome) for w in members]
        parts += [f"## {family}", table(("workload", "title", "stresses", "outcome"), rows)]
    return "\n\n".join(parts)


def activities() -> str:
    """What a profile for `trapbench advise` may speak of."""
    rows = [(f"`{a.name}`", a.doc, a.kvm, f"`{a.workload}`") for a in ACTIVITIES]
    intro = "Names of rates in a profile; the workload that shows what one costs; KVM's exit, where it exits under EPT."
    titles = ("rate", "of", "KVM's exit", "workload")
    return "\n\n".join(("# Activities of a profile", intro, table(titles, rows)))


def command_line() -> str:
    """What `--help` says."""
    context = click.Context(trapbench, info_name="trapbench")
    parts = ["# Command line", f"```text\n{trapbench.get_help(context)}\n```"]
    for name in trapbench.list_commands(context):
        command = trapbench.get_command(context, name)
        assert command is not None
        text = command.get_help(click.Context(command, info_name=name, parent=context))
        parts += [f"## trapbench {name}", f"```text\n{text}\n```"]
    return "\n\n".join(parts)


def pages() -> dict[str, Callable[[], str]]:
    """File name to the function that makes the page."""
    fixed: dict[str, Callable[[], str]] = {
        "command-line": command_line,
        "techniques-and-knobs": knobs,
        "workloads": suite,
        "activities": activities,
        "counters": counters,
        "costs": costs,
        "exit-reasons": exit_reasons,
        "vmcs-fields": vmcs_fields,
        "hypercalls": hypercalls,
    }
    return fixed | {f"preset-{name}": (lambda name=name: preset(name)) for name in presets.names()}  # type: ignore[misc]


def write(folder: Path) -> None:
    """Write every page that has changed into `folder`, and an index of them."""
    folder.mkdir(exist_ok=True)
    texts = {name: make() + "\n" for name, make in pages().items()}
    toc = "\n".join(texts)
    texts["index"] = f"# Reference\n\n```{{toctree}}\n:maxdepth: 1\n\n{toc}\n```\n"
    for name, text in texts.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
