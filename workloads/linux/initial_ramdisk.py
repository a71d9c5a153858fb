"""Ramdisks as Linux unpacks them: a cpio archive in the "newc" format (Documentation/driver-api/early-userspace)."""

from __future__ import annotations

from dataclasses import dataclass

DIRECTORY, REGULAR, CHARACTER = 0o040755, 0o100755, 0o020600
_TRAILER = "TRAILER!!!"
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the archive: `mode` with its kind, `device` (major, minor) for a device node."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


CONSOLE = (Entry("dev", DIRECTORY), Entry("dev/console", CHARACTER, device=(5, 1)))
"""What Linux needs to give its first process a console."""


def archive(entries: tuple[Entry, ...]) -> bytes:
    """The archive with these entries, in their order."""
    content = b"".join(_packed(number, entry) for number, entry in enumerate(entries, 1))
    content += _packed(0, Entry(_TRAILER, 0))
    return content + bytes(-len(content) % _BLOCK)


def _packed(number: int, entry: Entry) -> bytes:
    name = entry.name.encode() + b"\0"
    fields = (
        number, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, *entry.device, len(name), 0,
    )  # fmt: skip
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    head += bytes(-len(head) % 4)
    return head + entry.data + bytes(-len(entry.data) % 4)
