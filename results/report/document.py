"""What the report says, section by section, for the template to lay out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from hardware_model import presets
from results import tables
from results.cell import NATIVE
from results.claims import catalogue as claims
from results.claims.evidence import Evidence
from results.finished import OK
from results.plots import catalogue, style
from results.plots.plot import Plot, pictures
from results.report import svg
from results.report.verdicts import alone, verdicts
from results.run import Run
from results.validation import comparison

_HOT = 5
#: The technique whose guest is the ported kernel.
_PORTED = "pv"
#: Of a plot's several pictures, those that are open at first.
_OPENED = ("kernel", "hvm-shadow", "times native")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: `columns`, and `rows` of cells, each a text or a number with its own spelling."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Number:
    """A number that sorts by `value` and reads as `text`."""

    value: float
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Porting:
    """The porting ledger: source lines both kernels share, and per category what only one of them has."""

    shared_lines: int
    differences: Sequence[Mapping[str, int | str]]


def render(
    run: Run, preset: str, code_lines: Mapping[str, int], porting: Porting | None = None
) -> str:
    """The report as HTML; `code_lines` are the source lines of each technique.

    `porting` is shown if the run has cells of the ported kernel.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("results.report", "."), autoescape=True, trim_blocks=True
    )
    environment.tests["number"] = lambda value: isinstance(value, Number)
    costed = run.costed_on(preset)
    found = verdicts(costed, preset)
    return environment.get_template("report.html.j2").render(
        run=run,
        manifest=run.manifest,
        preset=presets.load(preset),
        statuses=run.runs["status"].value_counts().to_dict(),
        techniques=_means(costed, preset),
        verdicts=found,
        alone=alone(found),
        overview=_overview(costed, preset),
        plots=[_plot(plot, run, preset) for plot in catalogue.PLOTS],
        exits=_exits(run),
        porting=porting if _PORTED in set(run.runs["technique"]) else None,
        differences=_differences(porting),
        claims=[(c, asdict(f)) for c, f in claims.judge(Evidence(run, code_lines))],
        validation=_validation(run),
        troubles=_troubles(run),
        limits=_limits(),
        style=_file("report.css"),
        script=_file("report.js"),
    )


def _file(name: str) -> Markup:
    return Markup(resources.files("results.report").joinpath(name).read_text("utf-8"))


def _means(run: Run, preset: str) -> Grid:
    """Geometric means of cycles over native, by family and technique, of what each one ran."""
    ratios = tables.labelled(run.ratios(preset))
    ratios = ratios[(ratios["technique"] != NATIVE) & (ratios["ratio"] > 0)]
    variants = style.in_order(list(ratios["variant"]))
    ratios = ratios.assign(family=ratios["workload"].str.split("/").str[0])
    wide = ratios.pivot_table(
        index="family",
        columns="variant",
        values="ratio",
        aggfunc=lambda r: np.exp(np.log(r).mean()),
    )
    counts = ratios.pivot_table(index="family", columns="variant", values="ratio", aggfunc="size")
    rows = [
        [family, *(_mean(wide, counts, family, variant) for variant in variants)]
        for family in wide.index
    ]
    return Grid(["family", *variants], rows)


def _mean(wide: pd.DataFrame, counts: pd.DataFrame, family: str, variant: str) -> object:
    value = float(wide[variant][family])
    if value != value:
        return "–"
    return Number(value, f"{style.ratio(value)} ({int(counts[variant][family])})")


def _overview(run: Run, preset: str) -> Grid:
    """Per workload: native cycles, and entries into the VMM and cycles over native of each variant."""
    statuses, ratios = tables.statuses(run), tables.ratios(run, preset)
    entries, native = tables.entries_into_vmm(run), tables.native_cycles(run, preset)
    variants = [v for v in style.in_order(list(statuses.columns)) if v != NATIVE]
    columns = ["workload", "native cycles"]
    columns += [f"{variant}: {what}" for variant in variants for what in ("× native", "entries")]
    rows = []
    for row in statuses.index:
        line: list[object] = [row, _count(native.get(row))]
        for variant in variants:
            status = statuses.at[row, variant]
            line.append(_ratio(ratios, row, variant) if status == OK else _status(status))
            line.append(_count(entries.at[row, variant]))
        rows.append(line)
    return Grid(columns, rows)


def _status(status: object) -> str:
    return str(status) if isinstance(status, str) else "–"


def _ratio(ratios: pd.DataFrame, row: str, variant: str) -> object:
    if row not in ratios.index or variant not in ratios.columns or pd.isna(ratios[variant][row]):
        return "–"
    value = float(ratios[variant][row])
    return Number(value, style.ratio(value))


def _count(value: Any) -> object:
    return "–" if value is None or pd.isna(value) else Number(float(value), f"{value:,.0f}")


def _plot(plot: Plot, run: Run, preset: str) -> dict[str, Any]:
    drawn = [
        (p.title, Markup(svg.inline(p.figure, p.name, p.title)))
        for p in pictures(plot, run, preset)
    ]
    titles = [title for title, _ in drawn]
    opened = next((title for title in titles if title.endswith(_OPENED)), (titles or [""])[0])
    return {"plot": plot, "drawn": drawn, "opened": opened}


def _exits(run: Run) -> Grid:
    hot = tables.hot_exits(run, _HOT)
    rows = [
        [row, variant, reason, f"{rip:#x}", symbol, Number(float(count), f"{count:,}")]
        for row, variant, reason, rip, symbol, count in hot.to_numpy()
    ]
    return Grid(["workload", "technique", "reason", "guest RIP", "symbol", "exits"], rows)


def _differences(porting: Porting | None) -> Grid:
    kinds = [(k, u) for u in ("lines", "instructions", "bytes") for k in ("native", "ported")]
    rows = [
        [row["category"], *(_count(row[f"{kernel}_{unit}"]) for kernel, unit in kinds)]
        for row in (porting.differences if porting else ())
    ]
    return Grid(["category", *(f"{kernel}: {unit}" for kernel, unit in kinds)], rows)


def _validation(run: Run) -> Grid:
    table = comparison.compare([run])
    columns = ["source", "benchmark", "technique", "quantity"]
    rows = [
        [
            *(str(row[name]) for name in ("source_id", "benchmark", "technique", "quantity")),
            *(_figure(row[name]) for name in ("expected", "predicted", "ratio")),
            str(row["ordering"] or "–"),
            str(row["reason"] or row["status"]),
        ]
        for row in table.to_dict("records")
    ]
    return Grid(
        [*columns, "published", "predicted", "predicted / published", "ordering", "why"], rows
    )


def _figure(value: float) -> object:
    return "–" if value != value else Number(float(value), f"{value:,.4g}")


def _troubles(run: Run) -> Grid:
    cells = tables.labelled(run.runs[run.runs["status"] != OK])
    columns = ["row", "variant", "status", "expected", "reason"]
    return Grid(
        ["workload", "technique", "status", "expected", "reason"],
        cells[columns].to_numpy().tolist(),
    )


def _limits() -> list[tuple[str, list[str]]]:
    """The sections of docs/limitations.md, which is linked here so that the wheel has it, each with its points."""
    text = resources.files("results.report").joinpath("limitations.md").read_text("utf-8")
    sections: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("## "):
            sections.append((line[3:], []))
        elif sections and line.startswith("- "):
            sections[-1][1].append(line[2:])
        elif sections and sections[-1][1] and line.startswith("  "):
            sections[-1][1][-1] += f" {line.strip()}"
    return sections
