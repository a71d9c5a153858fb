"""Instructions of the guest kernel that Xen completes for it: the forced CPUID, MSR accesses for FS and GS, port I/O.

Linux asks for CPUID as Xen shows it by the bytes of UD2 and "xen" before the instruction.
"""

from __future__ import annotations

from hardware_model import counters as counter_table
from hardware_model.cpuid import cpuid
from hardware_model.machine import Machine
from techniques.paravirtual.abi import HypercallError
from techniques.paravirtual.domain import Domain

_EMULATED, _EMULATE = counter_table.index("trap.emulated"), counter_table.index("emulate")
_BYTES = counter_table.index("emulate.bytes")
_FORCED_CPUID = b"\x0f\x0bxen\x0f\xa2"
_RDMSR, _WRMSR = b"\x0f\x32", b"\x0f\x30"
_FS_BASE, _GS_BASE, _KERNEL_GS_BASE, _EFER = 0xC0000100, 0xC0000101, 0xC0000102, 0xC0000080
_INVALID_OPCODE = 6
_LEAF_BASE = 0x40000000
_SIGNATURE = (0x566E6558, 0x65584D4D, 0x4D4D566E)  # "XenVMMXenVMM"
_VERSION = 4 << 16 | 17
_HYPERVISOR_BIT = 1 << 31
_HIDDEN_1_EDX = 1 << 3 | 1 << 13 | 1 << 17  # PSE, PGE, PSE-36
_HIDDEN_7_EBX = 1 << 7 | 1 << 20 | 1 << 0  # SMEP, SMAP, FSGSBASE
_LOW = 0xFFFFFFFF


class PrivilegedInstructions:
    """Emulates for the guest kernel; anything else is the guest's own exception."""

    def __init__(self, machine: Machine, domain: Domain) -> None:
        self._machine = machine
        self._registers = machine.registers
        self._counts = machine.counters.data
        self._domain = domain

    def emulate(self, vector: int) -> bool:
        """Complete the instruction at RIP if it is one of these; False leaves the exception to the guest."""
        code = self._fetch(15)
        if vector == _INVALID_OPCODE:
            if not code.startswith(_FORCED_CPUID):
                return False
            self._cpuid()
            return self._complete(len(_FORCED_CPUID))
        if not self._domain.cpu.kernel_mode or code[:2] not in (_RDMSR, _WRMSR):
            return False
        handled = self._read_msr() if code[:2] == _RDMSR else self._write_msr()
        return handled and self._complete(2)

    def _fetch(self, size: int) -> bytes:
        rip = self._registers.rip
        within = min(size, 0x1000 - (rip & 0xFFF))
        code = b""
        try:
            code = self._domain.memory.read(rip, within)
            return code + self._domain.memory.read(rip + within, size - within)
        except HypercallError:  # the page, or the next one, cannot be read: a jump to nowhere
            return code

    def _complete(self, length: int) -> bool:
        for counter, amount in ((_EMULATED, 1), (_EMULATE, 1), (_BYTES, length)):
            self._counts[counter] += amount
        self._registers.rip += length
        self._machine.retire_emulated()
        return True

    def _cpuid(self) -> None:
        """CPUID as Xen shows it: its own leaves, and without the features that a PV guest cannot use."""
        gpr = self._registers.gpr
        leaf, subleaf = int(gpr[0]) & _LOW, int(gpr[1]) & _LOW
        eax, ebx, ecx, edx = cpuid(leaf, subleaf)
        if leaf == 1:
            ecx, edx = ecx | _HYPERVISOR_BIT, edx & ~_HIDDEN_1_EDX
        elif leaf == 7:
            ebx &= ~_HIDDEN_7_EBX
        elif leaf == _LEAF_BASE:
            eax, (ebx, ecx, edx) = _LEAF_BASE + 2, _SIGNATURE
        elif leaf == _LEAF_BASE + 1:
            eax, ebx, ecx, edx = _VERSION, 0, 0, 0
        elif leaf == _LEAF_BASE + 2:
            eax, ebx, ecx, edx = 0, 0, 1, 0  # no hypercall page; preserve-AD updates
        gpr[0], gpr[3], gpr[1], gpr[2] = eax, ebx, ecx, edx

    def _read_msr(self) -> bool:
        gpr, number = self._registers.gpr, int(self._registers.gpr[1]) & _LOW
        values = {
            _FS_BASE: self._registers.segment("fs").base,
            _GS_BASE: self._registers.segment("gs").base,
            _KERNEL_GS_BASE: self._domain.cpu.user_gs_base,
            _EFER: self._registers.efer,
        }
        if number not in values:
            return False
        gpr[0], gpr[2] = values[number] & _LOW, values[number] >> 32
        return True

    def _write_msr(self) -> bool:
        gpr, number = self._registers.gpr, int(self._registers.gpr[1]) & _LOW
        value = (int(gpr[2]) & _LOW) << 32 | int(gpr[0]) & _LOW
        names = {_FS_BASE: "fs", _GS_BASE: "gs"}
        if number == _KERNEL_GS_BASE:
            self._domain.cpu.user_gs_base = value
        elif number in names:
            segment = self._registers.segment(names[number])
            self._registers.set_segment(names[number], segment._replace(base=value))
        else:
            return False
        return True
