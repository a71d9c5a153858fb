"""`trapbench trace`: a timeline of what brought the VMM in, for Perfetto or chrome://tracing."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("trace")
@click.argument("workload")
@click.option("--technique", required=True, metavar="T", help="Under which to run it.")
@click.option("--size", default="small", show_default=True, metavar="S")
@click.option("--io", default="emulated", show_default=True, metavar="M", help="I/O model.")
@click.option("--set", "settings", multiple=True, metavar="KNOB=VALUE")
@click.option(
    "--limit", type=click.IntRange(1), default=1_000_000, show_default=True, help="Events kept."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("trace.json"),
    show_default=True,
    help="The file; open it in Perfetto or chrome://tracing.",
)
def command(
    workload: str,
    technique: str,
    size: str,
    io: str,
    settings: tuple[str, ...],
    limit: int,
    out: Path,
) -> int:
    """Run WORKLOAD under a technique and write its exits, callouts, hypercalls, traps, interrupts and DMA.

    The time axis is virtual time: one microsecond of the trace is one retired guest instruction.
    """
    import techniques
    import workloads
    from results import atomic
    from trapbench import knob_settings, timeline
    from trapbench.errors import unknown
    from trapbench.selection import IO_MODELS

    for kind, asked, known in (
        ("technique", technique, techniques.names()),
        ("I/O model", io, IO_MODELS),
    ):
        if asked not in known:
            raise unknown(kind, asked, known)
    found = workloads.find(workload)
    if size not in found.sizes:
        raise unknown("size", size, found.sizes)
    declared = {technique: techniques.knobs(technique)}
    knobs = knob_settings.by_technique(knob_settings.parse(settings), declared)[technique]
    recorded = timeline.Timeline(limit)
    ends: list[int] = []
    outcome = techniques.run_guest(
        technique,
        found,
        size,
        io,
        knobs,
        first=recorded.attach,
        then=lambda guest: ends.append(guest.machine.now),
    )
    title = f"{found.name} ({size}) under {technique}"
    events = list(timeline.trace_events(recorded.moments, title, recorded.dropped, ends[0]))
    about = {"title": title, "unit": "1 us is one retired guest instruction"}
    atomic.write_text(out, json.dumps({"traceEvents": events, "otherData": about}))
    click.echo(f"{out}: {len(recorded.moments):,} events in {ends[0]:,} units of virtual time")
    if outcome.status != "ok":
        click.echo(f"the guest did not end well: {outcome.reason}", err=True)
    return 0 if outcome.status == "ok" else 1
