"""KVM's statistics as its users meet them: the binary file itself, and the texts that programs make of it.

Sources: Linux, Documentation/virt/kvm/api.rst, KVM_GET_STATS_FD (layout of the file); QEMU, `info stats` (monitor)
and `query-stats` (QMP); libvirt, `virsh domstats --vcpu --vm`; `grep . /sys/kernel/debug/kvm/*`.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from results.errors import ResultsError
from results.host.count import HostCount

_HEADER = struct.Struct("<6I")  # flags, name size, descriptors, offsets of id, descriptors, data
_DESCRIPTOR = struct.Struct("<IhHII")  # flags, exponent, size, offset, bucket size; the name
_TYPE, _LINEAR_HISTOGRAM = 0xF, 3
_SMALLEST_NAME, _LARGEST_NAME = 16, 256

_TEXTS = (
    re.compile(r"\s+(?P<name>\w+) \([a-z -]+\): (?P<value>\d+)$"),  # QEMU's monitor
    re.compile(r"\s*(?:vcpu\.\d+|vm)\.(?P<name>\w+)\.(?:sum|cur|max)=(?P<value>\d+)$"),  # virsh
    re.compile(r"(?:\S*/)(?P<name>\w+):(?P<value>\d+)$"),  # debugfs by grep
)


def is_binary(content: bytes) -> bool:
    """Whether `content` begins as a file of binary statistics does."""
    if len(content) < _HEADER.size:
        return False
    _, name_size, _, identity, descriptors, data = _HEADER.unpack_from(content)
    named = _SMALLEST_NAME <= name_size <= _LARGEST_NAME
    return bool(named and _HEADER.size <= identity < descriptors < data)


def binary(path: Path, content: bytes) -> Iterator[HostCount]:
    """Single numbers of a file of binary statistics, histograms left out."""
    _, name_size, number, _, descriptors, data = _HEADER.unpack_from(content)
    for position in range(number):
        at = descriptors + position * (_DESCRIPTOR.size + name_size)
        try:
            flags, _, size, offset, _ = _DESCRIPTOR.unpack_from(content, at)
            name = content[at + _DESCRIPTOR.size : at + _DESCRIPTOR.size + name_size]
            text = name.split(b"\0")[0].decode("ascii")
            (value,) = struct.unpack_from("<Q", content, data + offset)
        except (struct.error, UnicodeDecodeError):
            raise ResultsError(f"{path} ends or breaks off at statistic {position + 1}") from None
        if size == 1 and flags & _TYPE < _LINEAR_HISTOGRAM:
            yield HostCount(text, int(value))


def texts(path: Path, lines: list[str]) -> Iterator[HostCount]:
    """QEMU's `info stats`, `virsh domstats`, or debugfs by grep; nothing if it is none of them."""
    for pattern in _TEXTS:
        found = [match for match in map(pattern.match, lines) if match]
        if found:
            yield from (HostCount(match["name"], int(match["value"])) for match in found)
            return


def query_stats(path: Path, lines: list[str]) -> Iterator[HostCount]:
    """The answer to QMP's `query-stats`; nothing if it is none."""
    try:
        answer = json.loads("\n".join(lines))
    except ValueError:
        return
    objects = answer.get("return", []) if isinstance(answer, dict) else answer
    for entry in objects if isinstance(objects, list) else []:
        stats = entry.get("stats", []) if isinstance(entry, dict) else []
        for item in stats if isinstance(stats, list) else []:
            if isinstance(item, dict) and type(item.get("value")) is int:
                yield HostCount(str(item.get("name")), int(item["value"]))
