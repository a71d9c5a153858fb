"""What the pager refuses, and what it does for a deprivileging VMM."""

from __future__ import annotations

import pytest

from hardware_model import counters
from techniques.shadow import PoolTooSmall, ReservedRegion, ShadowPager, UnsupportedPaging

VA, FLAGS = 0x4000_0000, 0x67
REGISTERS = {"cr0": 0x80010033, "cr3": 0, "cr4": 0x6A0, "efer": 0xD01}


@pytest.fixture
def guest(new_world):
    world = new_world()
    world.tables(0x10000).map(VA, 0x100000, 4096, FLAGS)
    return world.start("trace")


def pager(guest, **settings):
    """Another pager over the memory of `guest`."""
    machine = type(guest.memory)(guest.words)
    parts = {"guest": guest.memory, "machine": machine, "frames": guest.frames}
    return ShadowPager(**parts, tlb=guest.processor, counters=counters.new(), **settings)


def test_an_unknown_policy_is_refused_with_those_that_exist(guest):
    with pytest.raises(ValueError, match="'magic'; there are: trace, virtual-tlb, unsync"):
        pager(guest, policy="magic")


def test_only_a_deprivileged_guest_can_share_linear_addresses(guest):
    with pytest.raises(ValueError, match="deprivileged"):
        pager(guest, reserved={511: 0x1003})


@pytest.mark.parametrize(
    ("name", "value"), [("cr0", 0x33), ("cr4", 0), ("efer", 0), ("cr4", 0x16A0)]
)
def test_other_paging_modes_are_refused(guest, name, value):
    with pytest.raises(UnsupportedPaging):
        guest.pager.set_registers(**REGISTERS | {name: value})


def test_a_pool_without_room_for_a_path_is_refused(new_world, policy):
    with pytest.raises(PoolTooSmall):
        new_world().start(policy, pool=3)


def test_every_root_holds_the_reserved_entries(guest, policy):
    reserving = pager(guest, policy=policy, deprivileged=True, reserved={511: 0x5003})
    for root in (0x10000, 0x20000):
        reserving.set_registers(**REGISTERS | {"cr3": root})
        assert guest.words[(reserving.root >> 3) + 511] == 0x5003
        reserving.check()


def test_a_guest_that_maps_the_reserved_region_is_an_error(guest, policy):
    reserving = pager(guest, policy=policy, deprivileged=True, reserved={0: 0x5003})
    reserving.set_registers(**REGISTERS | {"cr3": 0x10000})
    with pytest.raises(ReservedRegion, match="0x40000000"):
        reserving.on_page_fault(VA, 0)


def test_control_bits_that_do_not_concern_paging_change_nothing(guest):
    root, flushes = guest.pager.root, guest.counted("tlb_flush")
    guest.pager.on_cr_write(0, REGISTERS["cr0"] | 8)
    guest.pager.on_cr_write(4, REGISTERS["cr4"] | 4)
    assert guest.pager.root == root
    assert guest.counted("tlb_flush") == flushes


@pytest.mark.parametrize(("number", "bit"), [(0, 16), (4, 7), (4, 20)])
def test_control_bits_that_do_drop_what_is_cached(guest, number, bit):
    flushes = guest.counted("tlb_flush")
    guest.pager.on_cr_write(number, REGISTERS[f"cr{number}"] ^ 1 << bit)
    assert guest.counted("tlb_flush") == flushes + 1


def test_writes_elsewhere_are_no_table_writes(guest):
    guest.load(VA)
    guest.pager.guest_table_written(0x100000, 8)
    assert guest.counted("pte_write") == 0


def test_a_write_across_two_frames_reaches_the_table_in_the_second(guest):
    guest.load(VA)
    table = guest.registers.cr3
    guest.pager.guest_table_written(table - 4, 8)
    assert guest.counted("pte_write") == 1
