"""`trapbench advise`: which technique suits a workload that is known by its rates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from results.advice.overhead import Turn, Verdict


@click.command("advise")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--profile", required=True, type=click.Path(path_type=Path), help="A TOML file of rates."
)
@click.option("--preset", multiple=True, metavar="P", help="Repeatable; all generations.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path | None, profile: Path, preset: tuple[str, ...], as_json: bool) -> None:
    """Say which technique costs a workload least, on which generation, how surely, and what would change it.

    The profile is TOML: under [rates] events per second of one processor, such as `system-calls = 50_000`, or
    under [exits] a guest's exits per second by KVM's reasons. What one event costs is observed: in the cells of
    FOLDER (the newest) that do little else.
    """
    from hardware_model import presets
    from results import folder as folders
    from results.advice import overhead
    from results.advice import profile as profiles
    from results.claims.evidence import GENERATIONS
    from results.run import Run

    rates = profiles.read(profile)
    run = Run.load(folder or folders.newest())
    found = {}
    for name in preset or GENERATIONS:
        loaded = presets.load(name)
        observed = overhead.Observed(run, rates, loaded)
        ranked = overhead.verdicts(observed, loaded)
        turning = overhead.turns(observed, loaded, ranked) if ranked and ranked[0].parts else []
        found[name] = (ranked, turning)
    if as_json:
        _print_json(found)
    else:
        _print(found)


Found = dict[str, tuple[list["Verdict"], list["Turn"]]]


def _print_json(found: Found) -> None:
    import json
    from dataclasses import asdict

    click.echo(
        json.dumps(
            {
                name: {
                    "techniques": [asdict(v) for v in ranked],
                    "turns": [asdict(t) for t in turning],
                }
                for name, (ranked, turning) in found.items()
            },
            indent=1,
        )
    )


def _print(found: Found) -> None:
    from trapbench import terminal

    columns = ["preset", "technique", "largest part", "overhead", "90 % of samples", "best in"]
    rows = [
        _row(name, verdict)
        for name, (ranked, _) in found.items()
        for verdict in ranked
        if verdict.parts
    ]
    terminal.print_table(
        "Processor time that virtualization takes, 100 % being one processor", columns, rows, left=3
    )
    for name, (ranked, turning) in found.items():
        for verdict in ranked:
            if verdict.missing:
                click.echo(f"{name}: {verdict.technique} has no figure: {verdict.missing}")
        for turn in turning[:2]:
            click.echo(
                f"{name}: at {turn.rate:,.0f} {turn.activity} per second {turn.technique} would be as good as "
                f"{ranked[0].technique}"
            )


def _row(preset: str, verdict: Verdict) -> list[str]:
    assert verdict.parts
    part = max(verdict.parts, key=lambda name: verdict.parts[name] if verdict.parts else 0.0)
    return [
        preset,
        verdict.technique,
        f"{part} {verdict.parts[part]:.1%}",
        f"{verdict.share:.1%}",
        f"{verdict.low:.1%} to {verdict.high:.1%}",
        f"{verdict.probability:.0%}",
    ]
