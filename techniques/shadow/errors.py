"""Errors of the shadow pager."""

from __future__ import annotations


class ShadowError(Exception):
    """Base of the errors that the shadow pager raises."""


class UnsupportedPaging(ShadowError):
    """The guest chose a paging mode other than 4-level paging."""


class PoolTooSmall(ShadowError):
    """The frame pool cannot hold one path of shadow tables besides the active root."""


class ReservedRegion(ShadowError):
    """The guest uses linear addresses that the VMM has reserved for itself."""


class Inconsistent(ShadowError):
    """`ShadowPager.check` found a shadow entry that breaks the policy's promise."""
