"""What to run, by the names a user gives: techniques, workloads, and their conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import techniques
import workloads
from hardware_model import presets
from results.cell import Cell, KnobValue, canonical_knobs
from trapbench import default_matrix, knob_settings, sweep
from trapbench.errors import SelectionError, unknown
from trapbench.sweep import Sweeps
from workloads import LinuxWorkload, Workload

SIZES = ("small", "standard", "large")
IO_MODELS = techniques.io_models.NAMES
IO_FAMILY, LINUX_FAMILY, DEVICES = "io", "linux", "devices"
DEFAULT_GEOMETRY = presets.DEFAULT


@dataclass(frozen=True, slots=True)
class Selection:
    """A matrix: every technique × every workload × every I/O model. Empty sequences mean all; where I/O makes no
    difference, outside the family `io` and Linux's programs with devices, no I/O model means the first. Without
    workloads, knobs and sweeps there are the cells of `default_matrix` as well.

    A workload is `family/name`, a family, or a path to a file. `budget` bounds the guest
    instructions of each cell; None leaves it to the technique. `kernel` is the path of a Linux kernel: with workloads
    of the family `linux` they run on it; without workloads it is booted with `initrd` (a path) and `append`.
    `sweeps` maps knobs, parameters of
    workloads, `size` and `geometry` to the values that each takes; every combination is run.
    """

    techniques: Sequence[str] = ()
    workloads: Sequence[str] = ()
    size: str = SIZES[0]
    io: Sequence[str] = ()
    geometry: str = DEFAULT_GEOMETRY
    knobs: Mapping[str, KnobValue] = field(default_factory=dict)
    budget: int | None = None
    kernel: str = ""
    initrd: str = ""
    append: str = ""
    sweeps: Sweeps = field(default_factory=dict)

    def cells(self) -> Iterator[tuple[Cell, str]]:
        """Each selected cell, and what finds its workload again; errors name what is unknown.

        A cell comes once for each point of the sweeps, also where it is the same as another's.
        """
        sources = self._sources()
        _check("I/O model", self.io, IO_MODELS)
        parameters = self._parameters(sources)
        geometry = cache(_geometry)  # of a sweep's points few differ in it
        for point in sweep.points(self.sweeps):
            at = self._at(point, parameters, geometry)
            for name, source in sources:
                size = _sized(at.size, {p: point[p] for p in parameters & point.keys()}, source)
                for technique, values in at._knobs().items():
                    for io in self._models(name, source):
                        knobs = canonical_knobs(values)
                        yield Cell(name, size, io, at.geometry, technique, knobs), source
        if not (self.workloads or self.kernel or self.knobs or self.sweeps):
            yield from self._at({}, set(), geometry)._companions(dict(sources))

    def _companions(self, sources: Mapping[str, str]) -> Iterator[tuple[Cell, str]]:
        for technique in self._knobs():
            for name, knobs in default_matrix.companions(technique):
                for io in self._models(name, sources[name]):
                    made = canonical_knobs(knobs)
                    yield Cell(name, self.size, io, self.geometry, technique, made), sources[name]

    def _at(
        self, point: Mapping[str, str], parameters: Set[str], known: Callable[[str], str]
    ) -> Selection:
        """The selection at a point of its sweeps, checked."""
        swept = point.keys() - parameters - {"size", "geometry"}
        size = point.get("size", self.size)
        geometry = known(point.get("geometry", self.geometry))
        _check("size", [size], SIZES)
        knobs = {**self.knobs, **{name: point[name] for name in point if name in swept}}
        return replace(self, sweeps={}, knobs=knobs, size=size, geometry=geometry)

    def _parameters(self, sources: Sequence[tuple[str, str]]) -> Set[str]:
        """The swept names that are parameters of a selected workload, and no knob."""
        if not self.sweeps:
            return frozenset()
        chosen = [t for t in techniques.names() if t in self.techniques or not self.techniques]
        knobs = {name for technique in chosen for name in techniques.knobs(technique)}
        known = {
            name
            for _, source in sources
            for name in workloads.find(source).named_parameters(SIZES[0])
        }
        theirs = {f"{t}.{name}" for t in chosen for name in techniques.knobs(t)}
        for name in self.sweeps.keys() - knobs - theirs - known - {"size", "geometry"}:
            raise unknown("knob or parameter", name, knobs | known | {"size", "geometry"})
        return {name for name in self.sweeps if name in known and name not in knobs}

    def _models(self, workload: str, source: str) -> Sequence[str]:
        if self.io:
            return self.io
        return IO_MODELS if _has_devices(workload, source) else IO_MODELS[:1]

    def _knobs(self) -> dict[str, dict[str, KnobValue]]:
        known = techniques.names()
        _check("technique", self.techniques, known)
        chosen = [name for name in known if name in self.techniques or not self.techniques]
        return knob_settings.by_technique(self.knobs, {t: techniques.knobs(t) for t in chosen})

    def _sources(self) -> list[tuple[str, str]]:
        """Pairs of workload name and source, without repetition, in the order of the selection."""
        if not self.workloads:
            if self.kernel:
                return [_pair(workloads.anybodys(self.kernel, self.initrd, self.append))]
            return [_pair(workload) for workload in workloads.all()]
        found: dict[str, str] = {}
        for asked in self.workloads:
            for name, source in map(_pair, self._named(asked)):
                if found.setdefault(name, source) != source:
                    raise SelectionError(f"{asked} is called {name}, as another one is")
        return list(found.items())

    def _named(self, asked: str) -> Sequence[Workload | LinuxWorkload]:
        """The workloads of a family, or the one of a name or a path; Linux's on the kernel that was named."""
        every: list[Workload | LinuxWorkload] = [*workloads.all(), *workloads.linux(self.kernel)]
        family = [workload for workload in every if workload.family == asked]
        if self.kernel and not family:
            family = [
                w for w in workloads.linux(self.kernel) if w.name.partition(" on ")[0] == asked
            ]
        return family or [workloads.find(asked)]


def _has_devices(workload: str, source: str) -> bool:
    """Whether I/O makes a difference to it: all of the family `io`, and Linux's programs that need devices."""
    if workload.startswith(f"{IO_FAMILY}/"):
        return True
    return workload.startswith(f"{LINUX_FAMILY}/") and DEVICES in workloads.find(source).needs


def _pair(workload: Workload | LinuxWorkload) -> tuple[str, str]:
    return workload.name, workload.source


def _sized(size: str, changes: Mapping[str, str], source: str) -> str:
    """The size with those of the changed parameters that the workload has, as Workload reads it."""
    if not changes:
        return size
    own = workloads.find(source).named_parameters(size)
    parts = [f"{name}={sweep.integer(changes[name])}" for name in own if name in changes]
    return ",".join([size, *parts])


def _geometry(asked: str) -> str:
    """A preset's name, or the absolute path of a file; PresetError when it is neither."""
    if asked not in presets.names():
        if not asked.endswith(".toml"):
            raise unknown("geometry", asked, presets.names())
        asked = str(Path(asked).resolve())
    presets.load(asked)
    return asked


def _check(kind: str, asked: Sequence[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise unknown(kind, name, known)
