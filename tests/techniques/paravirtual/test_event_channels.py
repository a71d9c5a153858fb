"""Pending, mask and selector bits of event channels, and that the guest asks Xen for missed events only if there are any."""

from __future__ import annotations

import struct
from itertools import product
from pathlib import Path

import pytest

import workloads
from hardware_model import counters
from techniques import Outcome, run_guest
from techniques.knobs import Value
from techniques.paravirtual.abi import ChannelStatus, HypercallError
from techniques.paravirtual.event_channels import Channel, EventChannels
from techniques.paravirtual.shared_info import SharedInfo
from techniques.paravirtual.vmm import Paravirtual
from techniques.technique import Technique

from . import xen_headers as xen
from .attack_guest import FOOTER, HEADER

PORT, ARGUMENT = 37, 0x3000


class Memory:
    """Machine memory of 16 pages, which the guest has mapped where it lies."""

    def __init__(self) -> None:
        self._bytes = bytearray(0x10000)

    def read(self, address: int, size: int) -> bytes:
        return bytes(self._bytes[address : address + size])

    def write(self, address: int, data: bytes) -> None:
        self._bytes[address : address + len(data)] = data

    def read64(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def write64(self, address: int, value: int) -> None:
        self.write(address, value.to_bytes(8, "little"))

    def unpack(self, layout: str, linear: int) -> tuple[int, ...]:
        return struct.unpack("<" + layout, self.read(linear, struct.calcsize("<" + layout)))


class World:
    """A shared page with one channel that is bound."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.shared = SharedInfo(self.memory, 0x1000)  # type: ignore[arg-type]
        self.events = EventChannels(self.shared, self.memory, counters.new(), 1)  # type: ignore[arg-type]
        self.events.channels[PORT] = Channel(ChannelStatus.IPI)
        self.memory.write(ARGUMENT, PORT.to_bytes(4, "little"))

    def page(self) -> xen.shared_info:  # type: ignore[name-defined]
        """As the guest sees it."""
        return xen.shared_info.from_buffer_copy(self.memory.read(self.shared.page, 4096))

    def store(self, page: xen.shared_info) -> None:  # type: ignore[name-defined]
        """As the guest leaves it."""
        self.memory.write(self.shared.page, bytes(page))


def state(pending: int, masked: int, selected: int, upcall: int) -> World:
    world = World()
    page = world.page()
    page.evtchn_pending[0] = pending << PORT
    page.evtchn_mask[0] = masked << PORT
    page.vcpu_info[0].evtchn_pending_sel = selected
    page.vcpu_info[0].evtchn_upcall_pending = upcall
    world.store(page)
    return world


def bits(world: World) -> tuple[int, int, int, int]:
    page = world.page()
    vcpu = page.vcpu_info[0]
    found = (page.evtchn_pending[0] >> PORT & 1, page.evtchn_mask[0] >> PORT & 1)
    assert page.evtchn_pending[0] in (0, 1 << PORT)
    return *found, vcpu.evtchn_pending_sel, vcpu.evtchn_upcall_pending


EVERY = list(product((0, 1), repeat=4))


@pytest.mark.parametrize(("pending", "masked", "selected", "upcall"), EVERY)
def test_an_event_sets_each_bit_only_if_the_one_before_it_was_clear(
    pending: int, masked: int, selected: int, upcall: int
) -> None:
    """Pending; if it was not and the channel is not masked, the selector; if that was not set either, the upcall."""
    world = state(pending, masked, selected, upcall)
    world.events.notify(PORT)
    goes_on = not pending and not masked
    wanted = (1, masked, selected | goes_on, upcall | (goes_on and not selected))
    assert bits(world) == wanted


@pytest.mark.parametrize(("pending", "masked", "selected", "upcall"), EVERY)
def test_unmasking_a_channel_raises_what_it_missed(
    pending: int, masked: int, selected: int, upcall: int
) -> None:
    world = state(pending, masked, selected, upcall)
    world.events.operation(9, ARGUMENT)
    missed = pending and masked
    wanted = (pending, 0, selected | missed, upcall | (missed and not selected))
    assert bits(world) == wanted


@pytest.mark.parametrize("port", [1, 63])
def test_the_selector_bit_is_that_of_the_channels_word(port: int) -> None:
    world = state(0, 0, 0, 0)
    world.events.notify(port)
    page = world.page()
    assert [word for word in range(64) if page.evtchn_pending[word]] == [port // 64]
    assert page.vcpu_info[0].evtchn_pending_sel == 1 << port // 64


@pytest.mark.parametrize("masked", [0, 1])
def test_the_upcall_mask_hides_the_upcall_and_nothing_else(masked: int) -> None:
    world = state(0, 0, 0, 0)
    page = world.page()
    page.vcpu_info[0].evtchn_upcall_mask = masked
    world.store(page)
    world.events.notify(PORT)
    assert bits(world) == (1, 0, 1, 1)
    assert world.shared.wants_upcall == (not masked)
    assert world.page().vcpu_info[0].evtchn_upcall_mask == masked


def test_a_moved_part_keeps_its_bits_and_is_marked_as_pending_once() -> None:
    world = state(0, 0, 0, 0)
    page = world.page()
    page.vcpu_info[0].evtchn_upcall_mask = 1
    page.vcpu_info[0].arch.cr2 = 0x1234
    world.store(page)
    world.shared.move_vcpu(0x5040)
    moved = xen.vcpu_info.from_buffer_copy(world.memory.read(0x5040, 64))
    assert (moved.evtchn_upcall_pending, moved.evtchn_upcall_mask) == (1, 1)
    assert (moved.evtchn_pending_sel, moved.arch.cr2) == ((1 << 64) - 1, 0x1234)
    world.events.notify(PORT)
    assert world.page().evtchn_pending[0] == 1 << PORT  # the channels' bits stay on the shared page
    with pytest.raises(HypercallError, match="its place already"):
        world.shared.move_vcpu(0x6000)


# --- the missed-event hypercall -------------------------------------------------------------------------
RAISE = "pv_apic_write APIC_ICR_LOW, APIC_TO_SELF | VECTOR_SELF_IPI\n"
ENABLERS = {
    "enable": "pv_irq_enable\n",
    "restore": "xor eax, eax\n pv_irq_restore rax\n",
}
TRAPS: list[dict[str, Value]] = [{}, {"pv.traps": "direct"}]


def enabling(tmp_path: Path, before: str, enable: str, knobs: dict[str, Value]) -> Outcome:
    """Events are masked, `before` happens, and in the region of interest they are enabled 50 times."""
    source = tmp_path / "enabling.asm"
    body = f"""
    push r12
    pv_irq_disable
    {before}
    mov r12d, 50
    ROI_BEGIN
again:
    {enable}
    pv_irq_disable
    dec r12d
    jnz again
    ROI_END
    mov rax, [rip + self_ipis]
    mov [rip + result], rax
    pop r12
"""
    source.write_text(HEADER + body + FOOTER)
    ended = run_guest("pv", workloads.find(source), "small", knobs=knobs)
    assert ended.status == "ok", ended.reason
    return ended


@pytest.mark.parametrize("knobs", TRAPS)
@pytest.mark.parametrize("enable", ENABLERS.values(), ids=ENABLERS)
def test_with_nothing_pending_enabling_events_is_no_hypercall(
    tmp_path: Path, enable: str, knobs: dict[str, Value]
) -> None:
    ended = enabling(tmp_path, "", enable, knobs)
    assert not [name for name in ended.counters_roi if name.startswith(("hypercall", "trap"))]


@pytest.mark.parametrize("knobs", TRAPS)
@pytest.mark.parametrize("enable", ENABLERS.values(), ids=ENABLERS)
def test_with_an_event_pending_it_is_exactly_one(
    tmp_path: Path, enable: str, knobs: dict[str, Value]
) -> None:
    """Of fifty times the first: the call, its upcall, and the upcall's iret."""
    counts = enabling(tmp_path, RAISE, enable, knobs).counters_roi
    hypercalls = {n: c for n, c in counts.items() if n.startswith("hypercall.")}
    back = {} if knobs else {"hypercall.iret": 1}
    assert hypercalls == {"hypercall.xen_version": 1, "hypercall.entries": 1 + len(back), **back}
    assert counts["pv.upcall"] == 1


@pytest.mark.parametrize("knobs", TRAPS)
@pytest.mark.parametrize(
    "name", ["kernel/fork-wait", "kernel/signal", "kernel/pipe", "nano/syscall", "exit/self-ipi"]
)
def test_no_workload_asks_in_vain_and_none_forgets_to_ask(
    name: str, knobs: dict[str, Value]
) -> None:
    """Whoever asks has an event pending; whoever calls for anything else has none that he could take."""
    asked: list[bool] = []

    def watch(guest: Technique) -> None:
        assert isinstance(guest, Paravirtual)
        whole, shared = guest.hypercalls.call, guest.domain.shared

        def call(number: int, arguments: tuple[int, ...]) -> int:
            if number == 17:
                asked.append(shared.wants_upcall)
            else:
                assert not shared.wants_upcall
            return whole(number, arguments)

        guest.hypercalls.call = call  # type: ignore[method-assign]

    ended = run_guest("pv", workloads.find(name), "small", knobs=knobs, first=watch)
    assert ended.status == "ok", ended.reason
    assert all(asked)
