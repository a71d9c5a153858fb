"""Reading a finished result folder back, with every way it can be wrong named in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from results import manifest
from results.errors import ResultsError
from results.manifest import Manifest
from results.schema import COUNTERS, EXITS, RUNS, SCHEMA_VERSION, Table


@dataclass(frozen=True)
class Stored:
    """The content of a result folder: its manifest and its three tables as DataFrames."""

    manifest: Manifest
    counters: pd.DataFrame
    runs: pd.DataFrame
    exits: pd.DataFrame


def read(folder: Path) -> Stored:
    """Read a result folder; ResultsError when it is unfinished, truncated, foreign or newer."""
    found = _finished(folder)
    counters, runs, exits = (_read_table(folder, table) for table in (COUNTERS, RUNS, EXITS))
    return Stored(found, counters, runs, exits)


def read_runs(folder: Path) -> tuple[Manifest, pd.DataFrame]:
    """The manifest and the table of verdicts alone, which stay small however much was counted."""
    return _finished(folder), _read_table(folder, RUNS)


def _finished(folder: Path) -> Manifest:
    found = manifest.read(folder)
    if not found.finished:
        cells = len(list((folder / "cells").glob("*.json")))
        raise ResultsError(
            f"{folder} is unfinished ({cells} of {len(found.plan)} cells are stored); "
            f"finish it with `trapbench run --resume --out {folder}`"
        )
    return found


def _read_table(folder: Path, table: Table) -> pd.DataFrame:
    path = folder / table.file_name
    if not path.is_file():
        raise ResultsError(
            f"{path} is missing; restore it with `trapbench run --resume --out {folder}`"
        )
    try:
        arrow = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        first_line = str(error).splitlines()[0]
        raise ResultsError(f"{path} is no readable Parquet file ({first_line})") from error
    _check(arrow.schema, table, path)
    frame: pd.DataFrame = arrow.select(list(table.columns)).to_pandas()
    return frame


def _check(schema: pa.Schema, table: Table, path: Path) -> None:
    metadata = schema.metadata or {}
    if metadata.get(b"trapbench.table") != table.name.encode():
        raise ResultsError(f"{path} was not written as the {table.name} table of trapbench")
    version = int(metadata.get(b"trapbench.schema", b"0"))
    if version > SCHEMA_VERSION:
        raise ResultsError(
            f"{path} has schema version {version}, written by a newer trapbench; "
            f"this one reads up to {SCHEMA_VERSION}"
        )
    for name, type_ in table.columns.items():
        if name not in schema.names or schema.field(name).type != type_:
            raise ResultsError(f"{path} has no column {name} of type {type_}")
