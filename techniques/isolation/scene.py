"""An attacker and a victim on one machine, a device that does what the attacker says, and a witness."""

from __future__ import annotations

import struct

from hardware_model.boot import IMAGE_BASE, KERNEL_BASE
from hardware_model.devices import copy_engine
from hardware_model.devices.copy_engine import CopyEngine
from hardware_model.devices.disk.content import SECTOR
from hardware_model.memory import MachineMemory
from hardware_model.vtd.fault_reasons import FaultReason
from hardware_model.vtd.tables import PAGE
from techniques.assignment import DEFERRED, STRICT, Assignment, ProtectionDomain
from techniques.io_models.virtio import VirtioBlock
from techniques.io_models.virtio.virtqueue import DESCRIPTOR, NEXT, WRITE
from techniques.isolation.attacks import Attack, Protection, Target
from techniques.isolation.believing import believe, lend
from techniques.paravirtual.backends import BlockBackend
from techniques.refusals import Refusal, RefusalReason
from techniques.several.round_robin import RoundRobin
from techniques.several.virtual_machine import VirtualMachine
from techniques.virtual_platform import HOST_TIMER_VECTOR

ENGINE, OTHER_DEVICE = 0x0208, 0x0310  # 02:01.0 and 03:02.0
HOST_REQUEST = 0x5D0
UNMAP, RELEASE = 1, 2
_WITNESSED = copy_engine.BUFFER_BYTES
_VMCS_PAGE = 0x1000
_LARGE = 2 << 20
PASSWORD, _PASSWORD_BYTES = 0x5EC2E700, 4
_ROUTINE = (
    b"\xb8" + PASSWORD.to_bytes(_PASSWORD_BYTES, "little") + b"\xc3"
)  # mov eax, PASSWORD; ret
FORGED_SECTOR, _STATUS_DESCRIPTOR = 5, 2  # as workloads/isolation/ring.asm has them
SECRET = bytes(range(0x40, 0x40 + _WITNESSED))


class Scene:
    """Set up `attack` on `host`, from one of its machines on the other, with or without protection."""

    def __init__(
        self,
        host: RoundRobin,
        attack: Attack,
        attacker: VirtualMachine,
        victim: VirtualMachine,
        *,
        protected: bool,
    ) -> None:
        self.host, self.attack, self.protected = host, attack, protected
        self._victim, self._attacker = victim.guest, attacker.guest
        self._memory: MachineMemory = host.machine.memory
        self.assignment = Assignment(
            host.machine, host.host_frames, DEFERRED if self._lacks(Protection.STRICT) else STRICT
        )
        self._array_end = self._host_pages()
        self.target = self._target()
        self._domain = self._protect()
        base = 0 if self._domain else self._attacker.memory.base
        aim = self._message() if attack.target is Target.INTERRUPT else self.target
        self.engine = CopyEngine(host.machine.dma, ENGINE, aim, base)
        self._attacker.grant_ports(copy_engine.PORTS, copy_engine.PORT_COUNT, self.engine)
        self._attacker.grant_ports(HOST_REQUEST, 4, self)
        self._taken = False
        self._before = self._memory.read(self.target, _WITNESSED)

    def _lacks(self, protection: Protection) -> bool:
        return self.attack.protection is protection and not self.protected

    def _target(self) -> int:
        victim, attacker = self._victim, self._attacker
        match self.attack.target:
            case Target.VICTIM | Target.INTERRUPT:
                return victim.memory.base + IMAGE_BASE
            case Target.VICTIM_VMM:
                return victim.base + (_VMCS_PAGE if victim.name.startswith("hvm") else 0)
            case Target.OWN_VMM | Target.OWN_VMM_CODE:
                return attacker.base
            case Target.BEHIND:
                return attacker.memory.base + attacker.memory.size
            case Target.BACK_END:
                return self._array_end
            case Target.BUFFER:
                at = attacker.image.symbols["dma_buffer"] - KERNEL_BASE
                return attacker.memory.base + at

    def _protect(self) -> ProtectionDomain | None:
        """Turn on what is to be there; the engine's domain if its addresses are translated."""
        if self.attack.protection is Protection.RINGS:
            self._lay_out_rings()
        if self.attack.target is Target.OWN_VMM_CODE:
            self._memory.write(self.target, _ROUTINE)
        if self._lacks(Protection.MEMORY):
            lend(self._attacker, self.target & -PAGE)
        on_its_path = self.attack.protection not in (Protection.MEMORY, Protection.RINGS)
        if self._lacks(Protection.REMAPPING) or not on_its_path:
            return None
        memory = self._attacker.memory
        self.assignment.enable(interrupts=not self._lacks(Protection.INTERRUPT_REMAPPING))
        domain = self.assignment.new_domain()
        if self.attack.target is Target.BUFFER:
            domain.map(0, memory.base, memory.size)
        else:
            domain.map(0, memory.base, memory.size, page_size=_LARGE)
        self.assignment.attach(ENGINE, domain)
        return domain

    def _host_pages(self) -> int:
        """Where the first of two pages of the host ends, which follow each other."""
        first, second = (self.host.host_frames.allocate() for _ in range(2))
        assert second == first + PAGE
        self._memory.zero_page(second)
        return second

    def _lay_out_rings(self) -> None:
        """The back end that believes its ring, or not; behind the guest a descriptor that somebody else has left."""
        if self._lacks(Protection.RINGS):
            believe(self._attacker, self._array_end)
        if self.attack.target is Target.BEHIND:
            at = self._attacker.memory.size + DESCRIPTOR
            left = struct.pack("<QIHH", at, SECTOR, NEXT | WRITE, _STATUS_DESCRIPTOR)
            self._memory.write(self.target, left)

    def _message(self) -> int:
        """The message address of an interrupt that belongs to another device."""
        return self.assignment.interrupt(
            OTHER_DEVICE, HOST_TIMER_VECTOR, verified=not self._lacks(Protection.SOURCE_VALIDATION)
        )

    def read_port(self, port: int, size: int) -> int:
        """The host's port answers nothing."""
        return 0

    def write_port(self, port: int, size: int, value: int) -> None:
        """The attacker gives up its buffer, or its device; the page then holds somebody else's secret."""
        buffer = self.target - self._attacker.memory.base
        if value == UNMAP and self._domain:
            self._domain.unmap(buffer & -PAGE, PAGE)
        elif value == RELEASE:
            self.assignment.detach(ENGINE, invalidate=not self._lacks(Protection.INVALIDATION))
        self._memory.write(self.target, SECRET)
        self._before, self._taken = SECRET, True

    def close(self) -> int:
        """When all have ended: how many bytes were changed or disclosed; a page that was taken comes back cleared."""
        found = self._memory.read(self.target, _WITNESSED)
        changed = sum(a != b for a, b in zip(found, self._before, strict=True))
        read = self._heard()
        disclosed = len(read) if not self._taken and read == self._before[: len(read)] else 0
        told = self.engine.read_port(copy_engine.PORTS + copy_engine.DATA, 4)
        if told == PASSWORD:  # which the VMM's routine gives back, if it is reached
            disclosed += _PASSWORD_BYTES
        if self._taken:
            self._memory.write(self.target, bytes(_WITNESSED))
        return changed + disclosed

    def _heard(self) -> bytes:
        """What the attacker's device has read: the engine, or the disk, in the sector that the attack writes."""
        disk = self._attacker.para_virtual_disk
        if disk is None:
            return self.engine.read_data
        return disk.content.read(FORGED_SECTOR)[:_WITNESSED]

    @property
    def interrupts(self) -> int:
        """Messages of the engine that reached the local APIC."""
        return self.engine.history.count((copy_engine.SEND, copy_engine.DONE))

    @property
    def refusals(self) -> list[Refusal]:
        """What the attacker's VMM refused it."""
        return self._attacker.refusals.kept

    @property
    def recorded(self) -> tuple[FaultReason | RefusalReason, int]:
        """What must be on record when the attack was blocked: the reason, and the address or the interrupt's index."""
        attack, attacker = self.attack, self._attacker
        if attack.protection is Protection.RINGS and attacker.ported:
            assert attack.ported is not None
            return attack.ported, self._ring_address()
        if attack.protection is Protection.RINGS:
            assert attack.reason is not None
            return attack.reason, self._ring_address()
        return attack.reason or attacker.refuses_by, self._fault_address()

    def _ring_address(self) -> int:
        """What the forged descriptor names, or where it lies; under Xen machine addresses."""
        match self.attack.target, self._attacker.para_virtual_disk:
            case Target.BACK_END, VirtioBlock(queues=queues):
                return queues[0].base
            case Target.BACK_END, BlockBackend(rings=rings):
                return rings[0].page.address
        return self.target - (0 if self._attacker.ported else self._attacker.memory.base)

    def _fault_address(self) -> int:
        """The page of the engine's access, or the interrupt's index."""
        attacker = self._attacker.memory
        match self.attack.target:
            case Target.BEHIND:
                return attacker.size
            case Target.BUFFER:
                return self.target - attacker.base & -PAGE
            case Target.INTERRUPT:
                return 0
        return self.target & -PAGE
