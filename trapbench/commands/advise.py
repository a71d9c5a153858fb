"""`trapbench advise`: which technique suits a workload that is known by its rates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from results.advice.overhead import Turn, Verdict


class _Profile(click.Path):
    """The profile's file; one that is not named is told what to write into it."""

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The smallest profile there is."""
        return (
            "It is a file of rates: `[rates]` on one line, `system-calls = 50_000` on the next; "
            "`trapbench advise --help` has more."
        )


@click.command("advise")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--profile",
    required=True,
    type=_Profile(path_type=Path),
    help="A TOML file of rates; with --seconds, a host's report of exits.",
)
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), help="How long the host was measured."
)
@click.option("--preset", multiple=True, metavar="P", help="Repeatable; all generations.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    folder: Path | None,
    profile: Path,
    seconds: float | None,
    preset: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say which technique costs a workload least, on which generation, how surely, and what would change it.

    The profile is TOML: under [rates] events per second of one processor, such as `system-calls = 50_000`, or
    under [exits] a guest's exits per second by KVM's reasons; [memory] may have its footprint. With --seconds
    it is instead what `perf kvm stat` or KVM's statistics counted in that time. What one event costs is
    observed: in the cells of FOLDER (the newest) that do little else.
    """
    from hardware_model import presets
    from results import folder as folders
    from results.advice import footprint, overhead, sentences, unsaid
    from results.advice import profile as profiles
    from results.claims.evidence import GENERATIONS
    from results.run import Run

    rates, missing = _rates(profile, seconds)
    size = profiles.footprint(profile) if seconds is None else None
    run = Run.load(folder or folders.newest())
    found: Found = {}
    for name in preset or GENERATIONS:
        loaded = presets.load(name)
        observed = overhead.Observed(run, rates, loaded)
        ranked = overhead.verdicts(observed, loaded)
        known = bool(ranked and ranked[0].parts)
        turning = overhead.turns(observed, loaded, ranked) if known else []
        found[name] = ranked, turning, unsaid.turns(run, rates, loaded, ranked) if known else []
    if as_json:
        _print_json(found)
        return
    _print(found)
    for name in found if size else ():
        if line := footprint.sentence(size or 0, rates, presets.load(name)):
            click.echo(f"{name}: {line}")
    if line := sentences.left_out(missing):
        click.echo(line)


Found = dict[str, tuple[list["Verdict"], list["Turn"], list["Turn"]]]


def _rates(profile: Path, seconds: float | None) -> tuple[dict[str, float], Mapping[str, float]]:
    """Rates by activity, and exits of a host that are left out."""
    from results.advice import measured
    from results.advice import profile as profiles

    if seconds is None:
        return profiles.read(profile), {}
    host = measured.read(profile, seconds)
    return host.rates, host.left_out


def _print_json(found: Found) -> None:
    import json
    from dataclasses import asdict

    click.echo(
        json.dumps(
            {
                name: {
                    "techniques": [asdict(v) for v in ranked],
                    "turns": [asdict(t) for t in turning],
                    "unsaid": [asdict(t) for t in silent],
                }
                for name, (ranked, turning, silent) in found.items()
            },
            indent=1,
        )
    )


def _print(found: Found) -> None:
    from trapbench import terminal

    columns = ["preset", "technique", "largest part", "overhead", "90 % of samples", "best in"]
    rows = [
        _row(name, verdict)
        for name, (ranked, _, _) in found.items()
        for verdict in ranked
        if verdict.parts
    ]
    terminal.print_table(
        "Processor time that virtualization takes, 100 % being one processor", columns, rows, left=3
    )
    for name, of_preset in found.items():
        for line in _sentences(*of_preset):
            click.echo(f"{name}: {line}")


def _sentences(ranked: list[Verdict], turning: list[Turn], silent: list[Turn]) -> list[str]:
    from results.advice import sentences

    lines = []
    if ranked and ranked[0].parts:
        lines = [
            sentences.answer(ranked),
            *sentences.changes(ranked[0].technique, turning, silent),
        ]
    return lines + [f"{v.technique} has no figure: {v.missing}" for v in ranked if v.missing]


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
