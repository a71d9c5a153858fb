"""Hypercalls that ask what the hypervisor is, its console, and options (Xen public header `version.h`)."""

from __future__ import annotations

from hardware_model.platform import Platform
from techniques.paravirtual import abi
from techniques.paravirtual.abi import Errno, Feature, HypercallError, VersionOp
from techniques.paravirtual.console_ring import ConsoleOutput
from techniques.paravirtual.continuation import Continuation
from techniques.paravirtual.domain import Domain

MAJOR, MINOR = 4, 17
_CONSOLE_WRITE, _CONSOLE_READ = 0, 1
_PIECE = 127  # bytes that Xen copies at once
_FEATURES = (
    Feature.MMU_PT_UPDATE_PRESERVE_AD | Feature.PAE_PGDIR_ABOVE_4GB | Feature.GNTTAB_MAP_AVAIL_BITS
)
_ASSISTS = 6
_PHYSDEV_SET_IOPL, _PHYSDEV_SET_IOBITMAP = 6, 7


class InformationHypercalls:
    """Questions, options and the console of one domain; what it writes appears at the platform's UART."""

    def __init__(self, domain: Domain, platform: Platform) -> None:
        self._domain = domain
        self._memory = domain.memory
        self._output = ConsoleOutput(platform.uart.output)

    def xen_version(self, command: int, argument: int, *_: int) -> int:
        """Version, capabilities, features. Any call lets pending events be seen on the way back."""
        texts = {
            VersionOp.EXTRAVERSION: (b".0", 16),
            VersionOp.CAPABILITIES: (b"xen-3.0-x86_64 ", 1024),
            VersionOp.CHANGESET: (b"", 64),
            VersionOp.COMPILE_INFO: (b"", 64 + 16 + 32 + 32),
            VersionOp.GUEST_HANDLE: (b"", 16),
        }
        match command:
            case VersionOp.VERSION:
                return MAJOR << 16 | MINOR
            case _ if command in texts:
                text, size = texts[VersionOp(command)]
                self._memory.write(argument, text.ljust(size, b"\0"))
                return 0
            case VersionOp.PLATFORM_PARAMETERS:
                self._memory.pack("Q", argument, abi.HYPERVISOR_START)
                return 0
            case VersionOp.GET_FEATURES:
                (index,) = self._memory.unpack("I", argument)
                self._memory.pack("I", argument + 4, 0 if index else int(_FEATURES))
                return 0
            case VersionOp.PAGESIZE:
                return abi.PAGE
        raise HypercallError(Errno.ENOSYS, f"xen_version {command}")

    def console_io(self, command: int, count: int, buffer: int, *_: int) -> int:
        """Write to the hypervisor's console; nothing can be read from it."""
        if command == _CONSOLE_READ:
            return 0
        if command != _CONSOLE_WRITE:
            raise HypercallError(Errno.ENOSYS, f"console_io {command}")
        left = count & 0xFFFFFFFF
        while left:
            size = min(left, _PIECE)
            self._output.append(self._memory.read(buffer, size))
            buffer, left = buffer + size, left - size
            if left and self._domain.preemption.due():
                raise Continuation(_CONSOLE_WRITE, left, buffer)
        return 0

    def vm_assist(self, command: int, assist: int, *_: int) -> int:
        """Options of guests for old habits: accepted, for the habits concern code that does not come here."""
        if command > 1 or assist > _ASSISTS:
            raise HypercallError(Errno.EINVAL, f"vm_assist {command} {assist}")
        return 0

    def physdev_op(self, command: int, argument: int, *_: int) -> int:
        """A domain without devices may set its I/O privilege, to no effect."""
        if command not in (_PHYSDEV_SET_IOPL, _PHYSDEV_SET_IOBITMAP):
            raise HypercallError(Errno.ENOSYS, f"physdev_op {command}")
        return 0
