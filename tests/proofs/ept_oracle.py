"""What the manual says of an EPT walk: SDM vol. 3C 28.3.2 (formats), 28.3.3 (misconfigurations, violations), table 27-7.

Arrays as in `paging_oracle`: one upper EPT entry and one EPT leaf with all their bits, for the guest-physical address that
an access comes to, or that a guest's page-table entry lies at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.proofs.paging_oracle import FETCH, LOAD, STORE, Bits, Flags, combinations

R, W, X, IPAT, PS, A, D = (1 << n for n in (0, 1, 2, 6, 7, 8, 9))
TYPES = tuple(type_ << 3 for type_ in range(8))
HIGH, LOW = 1 << 45, 1 << 13
OK, VIOLATION, MISCONFIGURATION = 0, 2, 3
READ_BIT, WRITE_BIT, FETCH_BIT, LINEAR_VALID, FINAL = 1, 2, 4, 1 << 7, 1 << 8


@dataclass
class EptCases:
    """One element of each array is one case; `enabled`: accessed and dirty flags are."""

    upper: Bits
    leaf: Bits
    kind: Bits
    enabled: Bits


def every_case(upper_level: int, leaf_level: int) -> EptCases:
    """All combinations; memory types and IPAT are leaves', their places reserved above."""
    upper = combinations((R, W, X, A, HIGH, 1 << 4, *((PS,) if upper_level == 4 else ())))
    rights = combinations((R, W, X, IPAT, A, D, HIGH, *((LOW,) if leaf_level > 1 else ())))
    leaf = (rights[:, None] | np.array(TYPES, np.uint64)[None, :]).ravel()
    kind, enabled = np.arange(3, dtype=np.uint64), np.arange(2, dtype=np.uint64)
    mesh = np.meshgrid(upper, leaf, kind, enabled, indexing="ij")
    return EptCases(*(axis.ravel() for axis in mesh))


def _has(entry: Bits, bits: int) -> Flags:
    return (entry & np.uint64(bits)) != 0


def _present(entry: Bits) -> Flags:
    return _has(entry, R | W | X)


def _bad_rights(entry: Bits) -> Flags:
    """Writable but not readable; execute-only is allowed (IA32_VMX_EPT_VPID_CAP bit 0)."""
    return _has(entry, W) & ~_has(entry, R)


@dataclass
class Predicted:
    """Outcome, exit qualification of a violation, and the entries afterwards."""

    status: Bits
    qualification: Bits
    upper: Bits
    leaf: Bits


def predict(c: EptCases, upper_level: int, leaf_level: int) -> Predicted:
    """The manual's answer to each case, for a final access with a valid linear address."""
    absent_above = ~_present(c.upper)
    reserved_above = HIGH | 0x78 | (PS if upper_level == 4 else 0)
    bad_above = ~absent_above & (_bad_rights(c.upper) | _has(c.upper, reserved_above))
    reached = ~absent_above & ~bad_above
    absent = reached & ~_present(c.leaf)
    type_ = c.leaf >> np.uint64(3) & np.uint64(7)
    reserved = HIGH | (LOW if leaf_level > 1 else 0)
    bad = (
        reached
        & ~absent
        & (_bad_rights(c.leaf) | _has(c.leaf, reserved) | np.isin(type_, (2, 3, 7)))
    )
    needed = np.array([R, W, X], np.uint64)[c.kind]
    allowed = c.upper & c.leaf & np.uint64(7)
    denied = reached & ~absent & ~bad & ((allowed & needed) != needed)
    violation, misconfigured = absent_above | absent | denied, bad_above | bad
    status = np.where(violation, VIOLATION, np.where(misconfigured, MISCONFIGURATION, OK))
    # an entry that is absent permits nothing, and so does what it would lead to
    shown = np.where(denied, allowed, 0).astype(np.uint64)
    access = np.array([READ_BIT, WRITE_BIT, FETCH_BIT], np.uint64)[c.kind]
    qualification = access | shown << np.uint64(3) | np.uint64(LINEAR_VALID | FINAL)
    flagged = c.enabled != 0
    upper = np.where(reached & flagged, c.upper | np.uint64(A), c.upper)
    leaf = np.where((status == OK) & flagged, c.leaf | np.uint64(A), c.leaf)
    leaf = np.where((status == OK) & flagged & (c.kind == STORE), leaf | np.uint64(D), leaf)
    return Predicted(
        status.astype(np.uint64),
        np.where(violation, qualification, 0).astype(np.uint64),
        upper,
        leaf,
    )


assert (LOAD, STORE, FETCH) == (0, 1, 2), "kinds index the tables of rights above"
