"""What the rules of direct paging refuse leaves memory, types and counts as they were."""

from __future__ import annotations

import pytest

from techniques.paravirtual.abi import Errno, HypercallError
from techniques.paravirtual.page_types import FrameType

from .page_type_world import FOREIGN, NO_MEMORY, OWN, PAGE, READ_ONLY, TABLE, World

ROOT, POINTERS, DIRECTORY, TABLE1, DATA, FREE, OTHER = (*OWN[:5], OWN[6], OWN[7])


def tree(world: World) -> None:
    """A pinned root; `DATA` is mapped writable, `FREE` and `OTHER` are nothing yet."""
    world.pin(ROOT, 4)


def prepared(world: World) -> None:
    """The same, and a second root in `FREE` whose fourth table is bad: it leads to three levels that are good."""
    world.ram.write64(OTHER << 12, FREE << 12 | READ_ONLY)  # as level 1 good
    world.ram.write64(OWN[8] << 12, OTHER << 12 | TABLE)  # as level 2 good
    tree(world)
    world.update(OWN[5], 0, OWN[8] << 12 | TABLE)  # as level 3 good
    world.update(OWN[5], 1, FOREIGN << 12 | TABLE)  # but for its second entry


REFUSED = {
    "a writable mapping of a page table": (TABLE1, 1, ROOT << 12 | PAGE, Errno.EBUSY),
    "a writable mapping of the table itself": (TABLE1, 1, TABLE1 << 12 | PAGE, Errno.EBUSY),
    "a frame of another domain": (TABLE1, 1, FOREIGN << 12 | READ_ONLY, Errno.EBUSY),
    "a frame that is no memory": (TABLE1, 1, NO_MEMORY << 12 | READ_ONLY, Errno.EPERM),
    "a forbidden bit in a page's entry": (TABLE1, 1, FREE << 12 | PAGE | 0x10, Errno.EINVAL),
    "a forbidden bit where nothing else changes": (TABLE1, 0, DATA << 12 | PAGE | 8, Errno.EINVAL),
    "a large page": (DIRECTORY, 1, FREE << 12 | TABLE | 0x80, Errno.EINVAL),
    "a forbidden bit in a table's entry": (DIRECTORY, 0, TABLE1 << 12 | TABLE | 8, Errno.EINVAL),
    "a table of the wrong level": (POINTERS, 1, TABLE1 << 12 | TABLE, Errno.EINVAL),
    "a linear page table": (ROOT, 1, ROOT << 12 | TABLE, Errno.EINVAL),
    "a page that is writable as a table": (DIRECTORY, 1, DATA << 12 | TABLE, Errno.EINVAL),
    "a table of another domain": (DIRECTORY, 1, FOREIGN << 12 | TABLE, Errno.EINVAL),
    "a slot of Xen's": (ROOT, 256, 0, Errno.EINVAL),
    "a table with a bad entry deep below": (ROOT, 1, OWN[5] << 12 | TABLE, Errno.EINVAL),
}


@pytest.mark.parametrize(("frame", "slot", "entry", "errno"), REFUSED.values(), ids=REFUSED)
def test_a_refused_update_changes_nothing_at_all(
    frame: int, slot: int, entry: int, errno: Errno
) -> None:
    world = World()
    prepared(world)
    before = world.snapshot()
    with pytest.raises(HypercallError) as refusal:
        world.tables.update((frame << 12) + 8 * slot, entry)
    assert refusal.value.errno is errno
    assert world.snapshot() == before


NOT_PINNED = {
    "a page that is writable": (DATA, 1),
    "a table of another level": (TABLE1, 2),
    "a frame of another domain": (FOREIGN, 4),
    "what is pinned already": (ROOT, 4),
    "a tree with a bad entry": (OWN[5], 3),
}


@pytest.mark.parametrize(("frame", "level"), NOT_PINNED.values(), ids=NOT_PINNED)
def test_a_refused_pin_changes_nothing_at_all(frame: int, level: int) -> None:
    world = World()
    prepared(world)
    before = world.snapshot()
    with pytest.raises(HypercallError) as refusal:
        world.types.pin(frame, FrameType(level))
    assert refusal.value.errno is Errno.EINVAL
    assert world.snapshot() == before


@pytest.mark.parametrize("frame", [DATA, TABLE1, FOREIGN])
def test_a_refused_unpin_changes_nothing_at_all(frame: int) -> None:
    world = World()
    prepared(world)
    before = world.snapshot()
    with pytest.raises(HypercallError) as refusal:
        world.types.unpin(frame)
    assert refusal.value.errno is Errno.EINVAL
    assert world.snapshot() == before


def test_descriptors_that_are_refused_are_left_as_they_were() -> None:
    """Two good frames of descriptors, whose privilege levels Xen would have changed, and one with a gate."""
    world = World()
    tree(world)
    world.ram.write64(FREE << 12, 0x00CF93000000FFFF)
    world.ram.write64(OTHER << 12, 0x0000EE0000000000)
    before = world.snapshot()

    def take() -> None:
        with world.types.all_or_nothing():
            world.types.get_page_and_type(FREE, FrameType.SEGMENT_DESCRIPTORS)
            try:
                world.types.get_page_and_type(OTHER, FrameType.SEGMENT_DESCRIPTORS)
            except HypercallError:
                world.types.put_page_and_type(FREE)
                raise

    with pytest.raises(HypercallError, match="no code or data segment"):
        take()
    assert world.snapshot() == before
