"""Bits of guest and shadow entries as plain integers, for speed (SDM vol. 3A tables 4-15 to 4-20).

A shadow entry is an ordinary entry of 4-level paging. *Rights* are kept in the same bits: R/W, U/S,
NX, and G for leaves. Shadow entries that lead to a table permit everything; a leaf holds the rights
that all entries of the guest's path have in common, as in KVM. Accessed and dirty flags of shadow
entries are set from the start, so that the processor never writes to a shadow table.
"""

from __future__ import annotations

from hardware_model.mmu.paging import FRAME_BITS, Entry

P, RW, US, A, D = int(Entry.P), int(Entry.RW), int(Entry.US), int(Entry.A), int(Entry.D)
PS, G, PAT_LARGE, NX = int(Entry.PS), int(Entry.G), int(Entry.PAT_LARGE), int(Entry.NX)
FRAME = FRAME_BITS
ALL_BITS = (1 << 64) - 1

ALL_RIGHTS = RW | US
KEEP = ALL_BITS & ~ALL_RIGHTS
"""`rights & (entry | KEEP) | entry & NX` are the rights of a path after one more entry."""

LINK = P | RW | US | A
"""Flags of a shadow entry that leads to another shadow table."""

LEAF_BITS = RW | US | NX | G
"""Bits of a leaf shadow entry that are rights."""
