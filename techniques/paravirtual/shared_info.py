"""The shared-information page: event bits, the virtual processor's mask, its clock (Xen public header `xen.h`)."""

from __future__ import annotations

import struct

from hardware_model.memory import MachineMemory
from techniques.paravirtual import abi
from techniques.paravirtual.abi import Errno, HypercallError

# System time is in nanoseconds; one unit of virtual time, one tick of the TSC, is one of them:
# ns = (tsc << shift) * multiplier >> 32.
_TSC_MULTIPLIER, _TSC_SHIFT = 1 << 31, 1
WALL_CLOCK_SECONDS = 1_000_000_000


class SharedInfo:
    """The page at machine address `page`; `vcpu` is where virtual processor 0's part lies, which the guest may move."""

    def __init__(self, memory: MachineMemory, page: int) -> None:
        self._memory = memory
        self.page = page
        self.vcpu = page
        memory.write(page + abi.EVTCHN_MASK, b"\xff" * (abi.EVENT_CHANNELS // 8))
        for vcpu in range(abi.LEGACY_VCPUS):
            memory.write(page + vcpu * abi.VCPU_INFO_BYTES + abi.UPCALL_MASK, b"\x01")
        memory.write(page + abi.WALL_CLOCK, struct.pack("<3I", 2, WALL_CLOCK_SECONDS, 0))
        memory.write(page + abi.VCPU_TIME, self.clock_record())

    @staticmethod
    def clock_record() -> bytes:
        """vcpu_time_info: how system time follows from the time-stamp counter, which never changes its pace here."""
        return struct.pack("<IIQQIbBxx", 2, 0, 0, 0, _TSC_MULTIPLIER, _TSC_SHIFT, 1)

    def move_vcpu(self, address: int) -> None:
        """Keep virtual processor 0's part at machine `address` from now on; HypercallError EINVAL if it was moved.

        All of it is marked as pending, lest an event be lost.
        """
        if self.vcpu != self.page:
            raise HypercallError(Errno.EINVAL, "vcpu_info has its place already")
        self._memory.write(address, self._memory.read(self.vcpu, abi.VCPU_INFO_BYTES))
        self.vcpu = address
        self._memory.write64(address + abi.PENDING_SELECTOR, (1 << 64) - 1)
        self.set_pending()

    @property
    def masked(self) -> bool:
        """evtchn_upcall_mask: the guest wants no upcall now."""
        return self._memory.read(self.vcpu + abi.UPCALL_MASK, 1) != b"\0"

    @masked.setter
    def masked(self, value: bool) -> None:
        self._memory.write(self.vcpu + abi.UPCALL_MASK, bytes([value]))

    @property
    def pending(self) -> bool:
        """evtchn_upcall_pending: some unmasked channel has an event."""
        return self._memory.read(self.vcpu + abi.UPCALL_PENDING, 1) != b"\0"

    def set_pending(self) -> None:
        """Set evtchn_upcall_pending."""
        self._memory.write(self.vcpu + abi.UPCALL_PENDING, b"\x01")

    @property
    def wants_upcall(self) -> bool:
        """Pending and not masked."""
        pending, masked = self._memory.read(self.vcpu, 2)
        return bool(pending) and not masked

    def store_cr2(self, address: int) -> None:
        """Tell the guest the address of a page fault."""
        self._memory.write64(self.vcpu + abi.VCPU_CR2, address)

    @property
    def cr2(self) -> int:
        """The address of the last page fault that the guest was told, or what it wrote over it."""
        return self._memory.read64(self.vcpu + abi.VCPU_CR2)

    def channel_pending(self, port: int) -> bool:
        """Whether a channel's pending bit is set."""
        return self._bit(abi.EVTCHN_PENDING, port)

    def channel_masked(self, port: int) -> bool:
        """Whether a channel's mask bit is set."""
        return self._bit(abi.EVTCHN_MASK, port)

    def set_channel_pending(self, port: int, value: bool) -> None:
        """Set or clear a channel's pending bit."""
        self._set_bit(self.page + abi.EVTCHN_PENDING, port, value)

    def set_channel_masked(self, port: int, value: bool) -> None:
        """Set or clear a channel's mask bit."""
        self._set_bit(self.page + abi.EVTCHN_MASK, port, value)

    def select(self, port: int) -> bool:
        """Set the selector bit of a channel's word; False if it was set."""
        selector = self._memory.read64(self.vcpu + abi.PENDING_SELECTOR)
        bit = 1 << (port >> 6)
        self._memory.write64(self.vcpu + abi.PENDING_SELECTOR, selector | bit)
        return not selector & bit

    def _bit(self, array: int, port: int) -> bool:
        return bool(self._memory.read(self.page + array + (port >> 3), 1)[0] >> (port & 7) & 1)

    def _set_bit(self, array: int, port: int, value: bool) -> None:
        at = array + (port >> 3)
        byte = self._memory.read(at, 1)[0] & ~(1 << (port & 7)) | value << (port & 7)
        self._memory.write(at, bytes([byte]))
