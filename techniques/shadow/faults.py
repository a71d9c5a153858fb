"""What a page fault turned out to be: one of four typed results, to be matched exhaustively.

Those made for each fault are not frozen, which would double the time of making one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Filled:
    """A hidden fault: the shadow tables have been repaired, the instruction can be retried."""


@dataclass(slots=True)
class GuestFault:
    """A true fault: the guest's own tables deny the access.

    `error_code` is what the processor would report natively (SDM vol. 3A section 4.7); `va` is for
    the guest's CR2.
    """

    error_code: int
    va: int


@dataclass(slots=True)
class EmulateWrite:
    """The guest may write here, but no shadow entry may let it: the VMM performs the instruction.

    Mostly `gpa` lies in a traced page table. Call `ShadowPager.guest_table_written` for the store.
    """

    gpa: int


@dataclass(slots=True)
class DeviceAccess:
    """The guest may access `gpa`, but there is no RAM: a device register, or nothing."""

    gpa: int


FaultResult = Filled | GuestFault | EmulateWrite | DeviceAccess

FILLED = Filled()
