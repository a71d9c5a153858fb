"""The columns of the stored tables, declared once: writing and checking derive from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from results.cell import IDENTITY

#: Version of the whole result folder. A reader refuses a newer one and keeps reading older ones.
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Table:
    """One stored table: its `name` (file `<name>.parquet`) and its columns with Arrow types."""

    name: str
    columns: Mapping[str, pa.DataType]

    @property
    def file_name(self) -> str:
        return f"{self.name}.parquet"

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, with the version and the table's name in its metadata."""
        metadata = {"trapbench.schema": str(SCHEMA_VERSION), "trapbench.table": self.name}
        return pa.schema(list(self.columns.items()), metadata=metadata)


_IDENTITY = dict.fromkeys(IDENTITY, pa.string())

COUNTERS = Table(
    "counters",
    {**_IDENTITY, "scope": pa.string(), "counter": pa.string(), "value": pa.uint64()},
)

RUNS = Table(
    "runs",
    {
        **_IDENTITY,
        "status": pa.string(),
        "reason": pa.string(),
        "expected": pa.string(),
        "auxiliary": pa.bool_(),
        "guest_status": pa.int64(),
        "digest": pa.string(),
        "instructions": pa.uint64(),
        "host_seconds": pa.float64(),
        "console": pa.string(),
        "notes": pa.string(),
        "key": pa.string(),
    },
)

EXITS = Table(
    "exits",
    {
        **_IDENTITY,
        "reason": pa.string(),
        "rip": pa.uint64(),
        "symbol": pa.string(),
        "count": pa.uint64(),
    },
)

TABLES = (COUNTERS, RUNS, EXITS)
