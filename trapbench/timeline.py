"""A run's events on the axis of virtual time, in the Trace Event Format that Chrome and Perfetto read.

One microsecond of the trace is one unit of virtual time: a retired guest instruction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hardware_model import counters as counter_table
from hardware_model.machine import Machine
from techniques import Technique
from techniques.binary_translation.unit import Callout, Unit
from techniques.binary_translation.vmm import BinaryTranslation

#: Events kept; what comes later is counted only.
LIMIT = 1_000_000
EXITS, CALLOUTS, HYPERCALLS, TRAPS = "VM exits", "callouts", "hypercalls", "traps"
INTERRUPTS, DMA = "interrupts", "DMA"
TRACKS = (EXITS, CALLOUTS, HYPERCALLS, TRAPS, INTERRUPTS, DMA)
#: The counter that rises when the VMM is entered in this way; any other entry is a trap.
_RISING = {EXITS: "exits", HYPERCALLS: "hypercall.entries"}


@dataclass(frozen=True, slots=True)
class Moment:
    """One event: virtual `time`, `track`, `name`, and what else there is to say of it."""

    time: int
    track: str
    name: str
    details: dict[str, Any]


class Timeline:
    """Records what happens to a guest: `attach` it before the guest runs."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.moments: list[Moment] = []
        self.dropped = 0
        self._limit = limit
        self._symbols: list[tuple[int, str]] = []
        self._addresses: list[int] = []

    def attach(self, guest: Technique) -> None:
        """Record the guest's entries into its VMM, interrupts and DMA from now on."""
        machine = guest.machine
        names = guest.image.symbols.items() if hasattr(guest.image, "symbols") else ()
        self._symbols = sorted((address, name) for name, address in names)
        self._addresses = [address for address, _ in self._symbols]
        guest.hot_exits = entries = _Entries(self, machine)
        if isinstance(guest, BinaryTranslation):
            self._watch_callouts(guest, entries)
        for apic in {id(p.apic): p.apic for p in (machine.platform, guest.platform)}.values():
            self._wrap(apic, "acknowledge", machine, self._interrupt)
        for name in ("read", "write", "message"):
            self._wrap(machine.dma, name, machine, self._dma(name))

    def add(self, moment: Moment) -> None:
        """Record an event, if there is room."""
        if len(self.moments) < self._limit:
            self.moments.append(moment)
        else:
            self.dropped += 1

    def place(self, rip: int) -> str:
        """The nearest symbol at or before an address, with the distance."""
        position = bisect_right(self._addresses, rip) - 1
        if position < 0:
            return f"{rip:#x}"
        address, name = self._symbols[position]
        return name if address == rip else f"{name}+{rip - address:#x}"

    def _watch_callouts(self, guest: BinaryTranslation, entries: _Entries) -> None:
        """Record each callout once, by its kind, and not again what the VMM notes while it serves it."""
        serve = guest.callouts.handle

        def handle(callout: Callout, unit: Unit | None) -> None:
            rip = int(guest.machine.registers.rip)
            mnemonic = str(callout.instruction or "").split(" ", 1)[0]
            name = f"{callout.kind.name.lower()} {mnemonic}".rstrip()
            details = {"rip": f"{rip:#x}", "at": self.place(rip)}
            self.add(Moment(guest.machine.now, CALLOUTS, name, details))
            entries.silent = True
            try:
                serve(callout, unit)
            finally:
                entries.silent = False

        guest.callouts.handle = handle  # type: ignore[method-assign]

    def _wrap(
        self, owner: Any, name: str, machine: Machine, report: Callable[[int, Any, Any], None]
    ) -> None:
        """Let each call of a method of one object be reported with its arguments and result."""
        method = getattr(owner, name)

        def reporting(*arguments: Any) -> Any:
            try:
                result = method(*arguments)
            except Exception as error:
                report(machine.now, arguments, error)
                raise
            report(machine.now, arguments, result)
            return result

        setattr(owner, name, reporting)

    def _interrupt(self, time: int, _arguments: Any, vector: Any) -> None:
        if isinstance(vector, int):
            self.add(Moment(time, INTERRUPTS, f"vector {vector:#x}", {"vector": vector}))

    def _dma(self, kind: str) -> Callable[[int, Any, Any], None]:
        def report(time: int, arguments: Any, result: Any) -> None:
            source, address, content = arguments
            details: dict[str, Any] = {"source": f"{source:#06x}", "address": f"{address:#x}"}
            if kind != "message":
                details["bytes"] = content if isinstance(content, int) else len(content)
            blocked = isinstance(result, Exception)
            self.add(Moment(time, DMA, f"{kind} blocked" if blocked else kind, details))

        return report


class _Entries(Counter[tuple[str, int]]):
    """The technique's own count of entries by reason and address, which tells of each one."""

    def __init__(self, timeline: Timeline, machine: Machine) -> None:
        super().__init__()
        self._timeline, self._machine = timeline, machine
        self._index = {track: counter_table.index(name) for track, name in _RISING.items()}
        self._seen = dict.fromkeys(self._index, 0)
        self.silent = False

    def __setitem__(self, key: tuple[str, int], count: int) -> None:
        super().__setitem__(key, count)
        if self.silent:
            return
        name, rip = key
        details = {"rip": f"{rip:#x}", "at": self._timeline.place(rip)}
        self._timeline.add(Moment(self._machine.now, self._track(), name, details))

    def _track(self) -> str:
        now = {track: int(self._machine.counters[i]) for track, i in self._index.items()}
        risen = [track for track in now if now[track] > self._seen[track]]
        self._seen = now
        return risen[0] if risen else TRAPS


def trace_events(
    moments: Sequence[Moment], title: str, dropped: int, end: int
) -> Iterator[dict[str, Any]]:
    """The events of the trace: names of process and tracks first, then by time.

    Each entry lasts one unit, the shortest that viewers show; a counter sums the entries.
    """
    yield {"name": "process_name", "ph": "M", "pid": 1, "args": {"name": title}}
    used = [track for track in TRACKS if any(moment.track == track for moment in moments)]
    for number, track in enumerate(used, 1):
        about = {"ph": "M", "pid": 1, "tid": number}
        yield {**about, "name": "thread_name", "args": {"name": track}}
        yield {**about, "name": "thread_sort_index", "args": {"sort_index": number}}
    totals: Counter[str] = Counter()
    for moment in moments:
        place = {"pid": 1, "tid": used.index(moment.track) + 1, "ts": moment.time}
        event = {"name": moment.name, "cat": moment.track, "ph": "X", "dur": 1}
        yield {**event, **place, "args": moment.details}
        totals[moment.track] += 1
        count = {moment.track: totals[moment.track]}
        yield {
            "name": f"{moment.track} so far",
            "ph": "C",
            "pid": 1,
            "ts": moment.time,
            "args": count,
        }
    name = (
        f"end of the guest; {dropped:,} later events are not shown"
        if dropped
        else "end of the guest"
    )
    yield {"name": name, "ph": "i", "s": "p", "pid": 1, "tid": 1, "ts": end}
