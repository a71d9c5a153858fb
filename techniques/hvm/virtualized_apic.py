"""The VMM's part in a virtual local APIC whose registers the processor virtualizes: its timer, and what exits.

Requests and service lie in the virtual-APIC page, where the processor keeps them too. The VMM only adds requests of
its own devices, and names the best one in the VMCS.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.cpu.apic_page import ApicPage
from hardware_model.devices import local_apic as R
from hardware_model.devices.local_apic import EXTINT_CLASS, LocalApic
from hardware_model.platform import NewApic
from hardware_model.vmx.fields import Field
from hardware_model.vmx.transitions import Vmx

_LVT = (R.LVT_TIMER, R.LVT_LINT0, R.LVT_LINT1, R.LVT_ERROR)
_SHOWN = (
    R.ID,
    R.VERSION,
    R.LDR,
    R.DFR,
    R.SVR,
    *_LVT,
    R.INITIAL_COUNT,
    R.DIVIDE,
)
"""Registers that the VMM keeps in the page for the guest's loads; the processor keeps the interrupt command there."""


def maker(vmx: Vmx, page: ApicPage) -> NewApic:
    """What a platform makes its local APIC with."""
    return lambda *calls: VirtualizedApic(vmx, page, *calls)


class VirtualizedApic(LocalApic):
    """A local APIC whose requests the processor delivers by itself from `page`; only ExtINT is left to the VMM."""

    def __init__(
        self,
        vmx: Vmx,
        page: ApicPage,
        now: Callable[[], int],
        on_change: Callable[[], None],
        on_move: Callable[[], None],
        on_expiry: Callable[[], None],
    ) -> None:
        self._vmx, self._page = vmx, page
        super().__init__(now, on_change, on_move, on_expiry)
        self._show()

    @property
    def task_priority(self) -> int:
        """VTPR."""
        return self._page.register(R.TPR) & 0xFF

    @task_priority.setter
    def task_priority(self, value: int) -> None:
        self._page.set_register(R.TPR, value)

    @property
    def _requests(self) -> int:
        return self._page.vectors(R.IRR)

    @_requests.setter
    def _requests(self, bits: int) -> None:
        self._page.set_vectors(R.IRR, bits)

    @property
    def _in_service(self) -> int:
        return self._page.vectors(R.ISR)

    @_in_service.setter
    def _in_service(self, bits: int) -> None:
        self._page.set_vectors(R.ISR, bits)

    @property
    def pending_class(self) -> int:
        """EXTINT_CLASS if the external controller has an interrupt for the VMM to inject; all else needs no VMM."""
        return EXTINT_CLASS if self._external_waits else 0

    def request(self, vector: int) -> None:
        """Have the processor deliver `vector` from the next VM entry on."""
        super().request(vector)
        status = self._vmx.read(Field.GUEST_INTERRUPT_STATUS)
        best = max(status & 0xFF, vector)
        self._vmx.write(Field.GUEST_INTERRUPT_STATUS, status & 0xFF00 | best)

    def write_register(self, offset: int, size: int, value: int) -> None:
        """A store that exited; what the guest is to read from now on goes to the page."""
        if offset == R.ICR_LOW:  # whose other half is stored without an exit
            super().write_register(R.ICR_HIGH, 4, self._page.register(R.ICR_HIGH))
        super().write_register(offset, size, value)
        if offset == R.ICR_LOW:
            self._page.set_register(offset, self.read_register(offset, 4))
        if offset == R.INITIAL_COUNT:
            self._start -= 1  # the exit comes behind the store, which has spent its unit of time
        self._show()

    def _show(self) -> None:
        for offset in _SHOWN:
            self._page.set_register(offset, self.read_register(offset, 4))
