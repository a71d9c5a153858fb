"""Local APIC in xAPIC mode with its timer (Intel SDM vol. 3A chapter 11).

Used for the machine's own controller and, as a second instance, for the virtual controller that a VMM shows its guest.
Timer ticks are units of virtual time divided by the divide configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hardware_model.devices.device import State

BASE = 0xFEE00000
SIZE = 0x1000
ID, VERSION, TPR, APR, PPR, EOI, LDR, DFR, SVR = (
    0x20,
    0x30,
    0x80,
    0x90,
    0xA0,
    0xB0,
    0xD0,
    0xE0,
    0xF0,
)
ISR, TMR, IRR, ESR = 0x100, 0x180, 0x200, 0x280
ICR_LOW, ICR_HIGH, LVT_TIMER, LVT_LINT0, LVT_LINT1, LVT_ERROR = (
    0x300,
    0x310,
    0x320,
    0x350,
    0x360,
    0x370,
)
INITIAL_COUNT, CURRENT_COUNT, DIVIDE = 0x380, 0x390, 0x3E0

LVT_MASKED = 1 << 16
LVT_PERIODIC = 1 << 17
LVT_EXTINT = 7 << 8
LVT_DELIVERY_MODE = 7 << 8
EXTINT_CLASS = 16
"""Priority class of what comes through LINT0 as ExtINT: no task priority holds it back."""
SVR_ENABLED = 1 << 8
ICR_SELF, ICR_ALL = 1, 2
_SEND_PENDING = 1 << 12
SPURIOUS_VECTOR = 0xFF
_STORED = (LDR, DFR, ICR_HIGH, LVT_LINT0, LVT_LINT1, LVT_ERROR)


def _divisor(divide: int) -> int:
    """What the divide configuration `divide`, bits 3, 1 and 0, divides by."""
    code = divide & 3 | divide >> 1 & 4
    return 1 if code == 7 else 2 << code


_DIVISORS = tuple(_divisor(divide) for divide in range(16))


class ExternalController(Protocol):
    """The 8259 controllers, whose output is wired to LINT0."""

    output: bool
    """Whether an interrupt waits."""

    def acknowledge(self) -> int:
        """The vector of the interrupt that is taken."""


def _highest(bits: int) -> int:
    return bits.bit_length() - 1


class LocalApic:
    """One local APIC.

    `now` gives virtual time; `on_change` is called when the best deliverable request may have changed; `on_move` when
    the guest has programmed the timer; `on_expiry` at every expiry of it. `task_priority` is the TPR's value (0..255).
    """

    def __init__(
        self,
        now: Callable[[], int],
        on_change: Callable[[], None],
        on_move: Callable[[], None],
        on_expiry: Callable[[], None],
    ) -> None:
        self._now = now
        self._on_change = on_change
        self._on_move = on_move
        self._on_expiry = on_expiry
        self.task_priority = 0
        self.external: ExternalController | None = None
        self._requests = 0
        self._in_service = 0
        self._spurious = SPURIOUS_VECTOR
        self._timer = LVT_MASKED
        self._initial = 0
        self._start = 0
        self._divide = 0
        self._armed = False
        self._command = 0
        self._other = dict.fromkeys(_STORED, 0) | {
            DFR: 0xFFFFFFFF,
            LVT_LINT0: LVT_MASKED,
            LVT_LINT1: LVT_MASKED,
        }

    @property
    def pending_class(self) -> int:
        """Priority class (vector >> 4) of the best request not blocked by one in service; 0 when there is none,
        EXTINT_CLASS for an external one.
        """
        external, requests = self.external, self._requests
        if external is not None and external.output and self._external_waits:
            return EXTINT_CLASS
        if not requests or not self._spurious & SVR_ENABLED:
            return 0
        best = requests.bit_length() - 1 >> 4
        service = self._in_service
        return best if not service or best > service.bit_length() - 1 >> 4 else 0

    @property
    def _external_waits(self) -> bool:
        """Virtual wire: LINT0 passes the external controller's output on (SDM vol. 3A section 11.5.1)."""
        if self.external is None or not self.external.output:
            return False
        wire = self._other[LVT_LINT0] & (LVT_MASKED | LVT_DELIVERY_MODE)
        return wire == LVT_EXTINT and bool(self._spurious & SVR_ENABLED)

    @property
    def deliverable(self) -> bool:
        """Whether the processor should take an interrupt, the task priority considered."""
        return self.pending_class > self.task_priority >> 4

    def request(self, vector: int) -> None:
        """Accept an interrupt: edge-triggered, fixed delivery."""
        self._requests |= 1 << vector
        self._on_change()

    def acknowledge(self) -> int | None:
        """The processor takes the best request: its vector moves into service. None when nothing is deliverable."""
        if not self.deliverable:
            return None
        if self.external is not None and self._external_waits:
            return self.external.acknowledge()
        vector = _highest(self._requests)
        self._requests &= ~(1 << vector)
        self._in_service |= 1 << vector
        self._on_change()
        return vector

    def end_of_interrupt(self) -> None:
        """EOI: the highest vector in service is done."""
        if self._in_service:
            self._in_service &= ~(1 << _highest(self._in_service))
        self._on_change()

    def arm(self, deadline: int, vector: int) -> None:
        """Program the timer for one interrupt `vector` at virtual time `deadline`, as a VMM does for its own use.

        A deadline that has come or passed expires at once.
        """
        self._timer, self._divide, self._spurious = vector, 0xB, self._spurious | SVR_ENABLED
        self._start = self._now()
        self._initial = max(deadline - self._start, 0)
        self._armed = True

    def next_event(self) -> int | None:
        """When the timer expires."""
        if not self._armed:
            return None
        return self._start + self._initial * _DIVISORS[self._divide]

    def advance(self, now: int) -> None:
        """Let the timer expire as often as is due."""
        while (due := self.next_event()) is not None and due <= now:
            self._on_expiry()
            if self._timer & LVT_PERIODIC:
                self._start = due
            else:
                self._armed = False
            if not self._timer & LVT_MASKED:
                self.request(self._timer & 0xFF)

    def read_register(self, offset: int, size: int) -> int:
        """Read a register."""
        if offset in self._other:
            return self._other[offset]
        if ISR <= offset < ESR and not offset & 0xF:
            bits = {ISR: self._in_service, TMR: 0, IRR: self._requests}[offset & ~0x7F]
            return bits >> ((offset & 0x70) << 1) & 0xFFFFFFFF
        reader = _READERS.get(offset)
        return reader(self) if reader else 0

    def _current_count(self) -> int:
        due = self.next_event()
        return 0 if due is None else max(due - self._now(), 0) // _DIVISORS[self._divide]

    def _processor_priority(self) -> int:
        service = _highest(self._in_service) & 0xF0 if self._in_service else 0
        return max(self.task_priority, service)

    def write_register(self, offset: int, size: int, value: int) -> None:
        """Write a register."""
        if offset in self._other:
            self._other[offset] = value
            if offset == LVT_LINT0:
                self._on_change()
            return
        writer = _WRITERS.get(offset)
        if writer:
            writer(self, value)

    def _write_tpr(self, value: int) -> None:
        self.task_priority = value & 0xFF
        self._on_change()

    def _write_eoi(self, value: int) -> None:
        self.end_of_interrupt()

    def _write_svr(self, value: int) -> None:
        self._spurious = value & 0x1FF
        if not value & SVR_ENABLED:  # software-disabled: every LVT entry is masked
            self._timer |= LVT_MASKED
            for entry in (LVT_LINT0, LVT_LINT1, LVT_ERROR):
                self._other[entry] |= LVT_MASKED
        self._on_change()

    def _write_icr(self, value: int) -> None:
        shorthand, mode = value >> 18 & 3, value >> 8 & 7
        to_self = shorthand in (ICR_SELF, ICR_ALL) or (
            shorthand == 0 and self._other[ICR_HIGH] >> 24 == 0
        )
        self._command = value & ~_SEND_PENDING
        if mode == 0 and to_self:
            self.request(value & 0xFF)

    def _write_lvt_timer(self, value: int) -> None:
        self._timer = value & 0x300FF

    def _write_initial(self, value: int) -> None:
        self._initial, self._start, self._armed = value, self._now(), value > 0
        self._on_move()

    def _write_divide(self, value: int) -> None:
        self._divide = value & 0xB
        if self._armed:
            self._on_move()

    def save(self) -> State:
        """Every register."""
        return {
            name: (dict(v) if isinstance(v, dict) else v)
            for name, v in vars(self).items()
            if name not in _WIRING
        }

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        vars(self).update(
            {name: (dict(v) if isinstance(v, dict) else v) for name, v in state.items()}
        )


_WIRING = ("_now", "_on_change", "_on_move", "_on_expiry", "external")
_READERS: dict[int, Callable[[LocalApic], int]] = {
    VERSION: lambda apic: 0x00050014,
    TPR: lambda apic: apic.task_priority,
    PPR: LocalApic._processor_priority,
    SVR: lambda apic: apic._spurious,
    ICR_LOW: lambda apic: apic._command,
    LVT_TIMER: lambda apic: apic._timer,
    INITIAL_COUNT: lambda apic: apic._initial,
    CURRENT_COUNT: LocalApic._current_count,
    DIVIDE: lambda apic: apic._divide,
}
_WRITERS: dict[int, Callable[[LocalApic, int], None]] = {
    TPR: LocalApic._write_tpr,
    EOI: LocalApic._write_eoi,
    SVR: LocalApic._write_svr,
    ICR_LOW: LocalApic._write_icr,
    LVT_TIMER: LocalApic._write_lvt_timer,
    INITIAL_COUNT: LocalApic._write_initial,
    DIVIDE: LocalApic._write_divide,
}
