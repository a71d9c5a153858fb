"""Events that the VMM delivers to its guest by VM entry: exceptions, virtual interrupts, and events
cut short by an exit.
"""

from __future__ import annotations

from hardware_model import counters as counter_table
from hardware_model.vectors import HAS_ERROR_CODE
from hardware_model.vmx.controls import Primary
from hardware_model.vmx.fields import Field
from hardware_model.vmx.transitions import Vmx
from techniques.virtual_platform import VirtualPlatform

_VALID, _ERROR_VALID = 1 << 31, 1 << 11
_EXTERNAL, _EXCEPTION, _SOFTWARE = 0, 3, 4
_PAGE_FAULT, _DOUBLE_FAULT = 14, 8
_CONTRIBUTORY = frozenset({0, 10, 11, 12, 13})
_IF = 1 << 9
_BLOCKED = 0b11
_WINDOW = int(Primary.INTERRUPT_WINDOW_EXITING)
_WINDOWS = counter_table.index("inject.window")


class Injection:
    """Decides at the end of each exit which event the next VM entry delivers."""

    def __init__(self, vmx: Vmx, platform: VirtualPlatform, *, tpr_shadow: bool) -> None:
        self._vmx = vmx
        self._platform = platform
        self._tpr_shadow = tpr_shadow
        self._window = False
        self._requested = False
        self._triple_fault = False
        self.cut_short = 0  # IDT-vectoring information of the exit being handled

    def begin(self) -> None:
        """A new exit: note the event whose delivery it interrupted, if any."""
        self._requested = False
        self.cut_short = self._vmx.read(Field.IDT_VECTORING_INFO)

    def exception(self, vector: int, error: int | None = None) -> bool:
        """Have the guest take an exception; False if that makes a triple fault."""
        vector, error = self._promote(vector, error)
        if vector < 0:
            return False
        info = _VALID | _EXCEPTION << 8 | vector
        if vector in HAS_ERROR_CODE:
            info |= _ERROR_VALID
            self._vmx.write(Field.ENTRY_EXCEPTION_ERROR_CODE, error or 0)
        self._vmx.write(Field.ENTRY_INTERRUPTION_INFO, info)
        self._requested = True
        return True

    def _promote(self, vector: int, error: int | None) -> tuple[int, int | None]:
        """Double and triple faults, SDM vol. 3A table 6-5."""
        first = self.cut_short
        if not first & _VALID or first >> 8 & 7 != _EXCEPTION:
            return vector, error
        earlier, serious = first & 0xFF, vector in _CONTRIBUTORY or vector == _PAGE_FAULT
        if earlier == _DOUBLE_FAULT and serious:
            return -1, None
        if (earlier in _CONTRIBUTORY and vector in _CONTRIBUTORY) or (
            earlier == _PAGE_FAULT and serious
        ):
            return _DOUBLE_FAULT, 0
        return vector, error

    def finish(self) -> None:
        """Before VM entry: re-deliver what was cut short, else a virtual interrupt, else ask for the window."""
        apic = self._platform.apic
        wanted = apic.deliverable
        if not self._requested:
            if self.cut_short & _VALID:
                self._redeliver()
            elif wanted and self._interruptible():
                vector = apic.acknowledge()
                self._vmx.write(Field.ENTRY_INTERRUPTION_INFO, _VALID | (vector or 0))
                wanted = apic.deliverable
        if wanted != self._window:
            self._switch_window(wanted)

    def _interruptible(self) -> bool:
        read = self._vmx.read
        if not read(Field.GUEST_RFLAGS) & _IF:
            return False
        return not read(Field.GUEST_INTERRUPTIBILITY_STATE) & _BLOCKED

    def _redeliver(self) -> None:
        vmx, info = self._vmx, self.cut_short
        if info & _ERROR_VALID:
            vmx.write(Field.ENTRY_EXCEPTION_ERROR_CODE, vmx.read(Field.IDT_VECTORING_ERROR_CODE))
        if info >> 8 & 7 >= _SOFTWARE:
            vmx.write(Field.ENTRY_INSTRUCTION_LENGTH, vmx.read(Field.EXIT_INSTRUCTION_LENGTH))
        vmx.write(Field.ENTRY_INTERRUPTION_INFO, info & ~(1 << 12))

    def _switch_window(self, wanted: bool) -> None:
        self._window = wanted
        controls = self._vmx.read(Field.PRIMARY_CONTROLS)
        if wanted:
            self._vmx.machine.counters[_WINDOWS] += 1
        self._vmx.write(
            Field.PRIMARY_CONTROLS, controls | _WINDOW if wanted else controls & ~_WINDOW
        )
