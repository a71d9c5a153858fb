"""`trapbench claims`: the claims of the literature, their verdicts and the evidence."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command("claims")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path | None, as_json: bool) -> None:
    """Test the claims on a result folder (the newest), costed on every preset.

    A claim whose experiment was not run says what is missing.
    """
    import techniques
    from results import folder as folders
    from results.claims import catalogue
    from results.claims.evidence import Evidence
    from results.run import Run
    from trapbench import code_size

    sizes = {name: code_size.lines(name) for name in techniques.names()}
    evidence = Evidence(Run.load(folder or folders.newest()), sizes)
    found = list(catalogue.judge(evidence))
    if as_json:
        rows = [{"claim": c.number, "statement": c.statement, **asdict(f)} for c, f in found]
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for claim, finding in found:
        click.secho(f"{claim.number}. {claim.statement}", bold=True)
        click.echo(f"   {finding.verdict}: {finding.why}")
        for name, value in finding.numbers.items():
            click.echo(f"     {name}: {value}")
        if finding.cells:
            click.echo(f"     cells: {'; '.join(finding.cells)}")
