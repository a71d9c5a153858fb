"""Published measurements, shipped with their citations.

`calibrate.csv` may set costs (`results.calibration`); `validate.csv` is for comparison only. Columns
of both: source_id, citation, year, cpu, microarchitecture, benchmark, technique, metric, value, unit.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from results.errors import ResultsError

COLUMNS = (
    *("source_id", "citation", "year", "cpu", "microarchitecture"),
    *("benchmark", "technique", "metric", "value", "unit"),
)

_FOLDER = Path(__file__).parent


def calibration() -> pd.DataFrame:
    """The rows that costs may be set from."""
    return read(_FOLDER / "calibrate.csv")


def validation() -> pd.DataFrame:
    """The rows that predictions are compared with, and that nothing is set from."""
    return read(_FOLDER / "validate.csv")


def read(path: Path) -> pd.DataFrame:
    """A table of published or of a user's own measurements; `year` and `value` are numbers or NaN, the rest texts.

    Raises ResultsError when the file cannot be read or lacks a column.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise ResultsError(f"{path} is no readable CSV file ({error})") from error
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise ResultsError(f"{path} has no column {missing[0]}")
    numbers = {name: pd.to_numeric(table[name], errors="coerce") for name in ("year", "value")}
    return table.assign(**numbers)
