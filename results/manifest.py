"""`manifest.json`: what was planned, by which command, with which versions of what matters."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from results import atomic
from results.cell import Cell
from results.errors import ResultsError
from results.finished import known
from results.planned import Planned
from results.schema import SCHEMA_VERSION

FILE_NAME = "manifest.json"
_FORMAT = "trapbench result folder"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The provenance of a result folder, and its plan.

    `parameters` holds those of each workload and size that was planned, by "<workload> <size>";
    `model` is the digest of the sources that counters depend on.
    """

    plan: tuple[Planned, ...]
    command: str = ""
    created: str = ""
    finished: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    git: dict[str, Any] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    geometries: dict[str, str] = field(default_factory=dict)
    workloads: dict[str, str] = field(default_factory=dict)
    presets: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, dict[str, int]] = field(default_factory=dict)
    model: str = ""

    def extended(self, later: Manifest) -> Manifest:
        """`later` with this plan before its own; a cell planned twice is planned anew."""
        plan = {planned.cell: planned for planned in self.plan}
        for planned in later.plan:
            earlier = plan.get(planned.cell)
            auxiliary = planned.auxiliary and (earlier is None or earlier.auxiliary)
            plan[planned.cell] = replace(planned, auxiliary=auxiliary)
        return replace(
            later,
            plan=tuple(plan.values()),
            created=self.created,
            geometries={**self.geometries, **later.geometries},
            workloads={**self.workloads, **later.workloads},
            parameters={**self.parameters, **later.parameters},
        )

    def write(self, folder: Path) -> None:
        document = {"format": _FORMAT, "schema_version": SCHEMA_VERSION, **asdict(self)}
        atomic.write_text(folder / FILE_NAME, json.dumps(document, indent=1) + "\n")


def is_result_folder(folder: Path) -> bool:
    """Whether `folder` holds a manifest; nothing is said of its content."""
    return (folder / FILE_NAME).is_file()


def read(folder: Path) -> Manifest:
    """The manifest of a folder; ResultsError when it is missing, foreign, broken or newer."""
    path = folder / FILE_NAME
    document = _document(folder, path)
    version = document.pop("schema_version", None)
    if document.pop("format", None) != _FORMAT or not isinstance(version, int):
        raise ResultsError(f"{path} is not the manifest of a trapbench result folder")
    if version > SCHEMA_VERSION:
        raise ResultsError(
            f"{path} has schema version {version}, written by a newer trapbench; "
            f"this one reads up to {SCHEMA_VERSION}"
        )
    try:
        plan = _plan(document.pop("plan"))
        return known(Manifest, {**document, "plan": plan})
    except (TypeError, KeyError, AttributeError) as error:
        raise ResultsError(f"{path} is broken: {error}") from error


def _document(folder: Path, path: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ResultsError(f"{folder} is not a folder")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ResultsError(f"{folder} holds no {FILE_NAME}, so it is no result folder") from error
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path} cannot be read ({error})") from error
    if not isinstance(document, dict):
        raise ResultsError(f"{path} is not the manifest of a trapbench result folder")
    return document


def _plan(rows: Iterable[dict[str, Any]]) -> tuple[Planned, ...]:
    return tuple(known(Planned, {**row, "cell": known(Cell, row["cell"])}) for row in rows)
