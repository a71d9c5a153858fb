"""Errors of the shadow pager."""

from __future__ import annotations


class ShadowError(Exception):
    """Base of the errors that the shadow pager raises."""


class UnsupportedPaging(ShadowError):  # noqa: N818 - the sentence is the message
    """The guest chose a paging mode other than 4-level paging."""


class PoolTooSmall(ShadowError):  # noqa: N818
    """The frame pool cannot hold one path of shadow tables besides the active root."""


class ReservedRegion(ShadowError):  # noqa: N818
    """The guest uses linear addresses that the VMM has reserved for itself."""


class Inconsistent(ShadowError):  # noqa: N818
    """`ShadowPager.check` found a shadow entry that breaks the policy's promise."""
