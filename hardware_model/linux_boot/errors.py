"""What can be wrong with files that a user names."""

from __future__ import annotations


class KernelError(ValueError):
    """A kernel or initrd that cannot be booted; the sentence names the file and what is wrong."""
