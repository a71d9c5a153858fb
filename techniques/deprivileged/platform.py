"""The virtual devices of a deprivileged guest, with a window for interrupts held off by STI or MOV SS."""

from __future__ import annotations

from hardware_model.devices.local_apic import INITIAL_COUNT
from techniques.virtual_platform import HOST_TIMER_VECTOR, VirtualPlatform


class DeprivilegedPlatform(VirtualPlatform):
    """VirtualPlatform whose timer can also bring the VMM back after one more guest instruction."""

    _window = False

    def settle(self, *, window: bool) -> None:
        """Program the host timer before the guest goes on.

        It expires at the virtual devices' next event or, with `window`, when one more guest
        instruction has retired.
        """
        if self._window:
            self._window, self._armed, self._stale = False, None, True
            self._machine.platform.apic.write_register(INITIAL_COUNT, 4, 0)
        if not window:
            self.arm()
            return
        self._window = True
        self._machine.platform.apic.arm(self._machine.now + 1, HOST_TIMER_VECTOR)
        self._machine.set_deadline()
