"""`python -m results.calibration FOLDER [--write]`: what the procedure gives beside the presets."""

from __future__ import annotations

from pathlib import Path

import click

from hardware_model import presets
from results.calibration import preset_text
from results.calibration.cores import CORES
from results.calibration.procedure import Procedure
from results.costs import UncostedCounterError
from results.errors import ResultsError
from results.run import Run

_FOLDER = Path(presets.__file__).with_suffix("")
_TOLERANCE = 0.005


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--write", is_flag=True, help="Rewrite the costs of the presets of the package.")
def main(folder: Path, write: bool) -> None:
    """Calibrate the presets with the counters of a result folder.

    The folder comes from `trapbench run --workload nano --size standard --geometry prescott`, with
    the techniques native, bt and hvm-shadow. The exit status is 1
    when a preset differs from the procedure and is not rewritten.
    """
    try:
        procedure = Procedure(Run.load(folder))
    except (ResultsError, UncostedCounterError) as error:
        raise click.ClickException(str(error)) from error
    differing = 0
    for name in CORES:
        costs = procedure.costs(name)
        stored = presets.load(name).costs
        for key, cost in costs.items():
            if abs(cost.value - stored[key].value) > _TOLERANCE * cost.value:
                differing += 1
                click.echo(
                    f"{name} {key}: {stored[key].value:g}, calibrated {cost.value:g}: {cost.source}"
                )
        if write:
            path = _FOLDER / f"{name}.toml"
            path.write_text(preset_text.with_costs(path.read_text("utf-8"), costs), "utf-8")
    click.echo(f"{differing} costs differ" + (", rewritten" if write else ""))
    if differing and not write:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
