"""`trapbench disasm`: guest code beside what a technique made of it, and the instructions that brought the VMM in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.text import Text

    from hardware_model.disassembly import Line, Passage
    from techniques import Outcome

_HOTTEST = 20


@click.command("disasm")
@click.argument("workload")
@click.option("--technique", required=True, metavar="T", help="bt, pv, or another.")
@click.option("--size", default="small", show_default=True, metavar="S")
@click.option("--set", "settings", multiple=True, metavar="KNOB=VALUE")
@click.option(
    "--symbol", "symbols", multiple=True, metavar="NAME", help="Only this one. Repeatable."
)
@click.option("--hot", default=_HOTTEST, show_default=True, help="Rows of the hot list.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(
    workload: str, technique: str, settings: tuple[str, ...], symbols: tuple[str, ...], **shown: Any
) -> int:
    """Run WORKLOAD under a technique; show guest code beside what became of it, and the hot exits.

    bt: the translation cache at the end of the run. pv: the native kernel beside the ported one, where
    they differ. Other techniques run the guest's code as it is, so only the hot list is shown.
    """
    outcome, found = _run(workload, technique, settings, shown["size"])
    passages = [p for p in found if not symbols or p.title.partition("+")[0] in symbols]
    hot = outcome.hot_exits[: shown["hot"]]
    if shown["as_json"]:
        click.echo(json.dumps(_as_json(outcome, passages, hot), indent=1))
    else:
        _print(passages, hot, technique)
    if outcome.status != "ok":
        click.echo(f"the guest did not end well: {outcome.reason}", err=True)
    return 0 if outcome.status == "ok" else 1


def _run(
    name: str, technique: str, settings: tuple[str, ...], size: str
) -> tuple[Outcome, list[Passage]]:
    import techniques
    import workloads
    from trapbench import knob_settings
    from trapbench.errors import unknown
    from trapbench.selection import SIZES
    from workloads import port_comparison

    for kind, asked, known in (
        ("technique", technique, techniques.names()),
        ("size", size, SIZES),
    ):
        if asked not in known:
            raise unknown(kind, asked, known)
    workload = workloads.find(name)
    if workload.on_linux:
        raise unknown("workload", name, [w.name for w in workloads.all()])
    found: list[Passage] = []
    declared = {technique: techniques.knobs(technique)}
    knobs = knob_settings.by_technique(knob_settings.parse(settings), declared)[technique]
    outcome = techniques.run_guest(
        technique, workload, size, knobs=knobs, then=lambda guest: found.extend(guest.listing())
    )
    if techniques.find(technique).ported:
        found += port_comparison.passages(workload)
    return outcome, found


def _print(
    passages: list[Passage], hot: Iterable[tuple[str, int, str, int]], technique: str
) -> None:
    from trapbench import terminal

    for passage in passages:
        rows = (
            [_text(left), _text(right)]
            for lefts, rights in passage.rows
            for left, right in zip_longest(lefts, rights)
        )
        terminal.print_table(f"{passage.title}:", ["guest", technique], rows, left=2)
    titles = ["reason", "RIP", "symbol", "times"]
    table = ([reason, f"{rip:#x}", symbol, f"{times:,}"] for reason, rip, symbol, times in hot)
    terminal.print_table("what brought the VMM in most often", titles, table, left=3)


def _text(line: Line | None) -> Text:
    """Text, not a string: square brackets are no markup."""
    from rich.text import Text

    return Text(f"{line.address:x}  {line.text}" if line else "")


def _as_json(
    outcome: Outcome, passages: list[Passage], hot: list[tuple[str, int, str, int]]
) -> dict[str, Any]:
    names = ("reason", "rip", "symbol", "times")
    return {
        "status": outcome.status,
        "passages": [asdict(passage) for passage in passages],
        "hot": [dict(zip(names, row, strict=True)) for row in hot],
    }
