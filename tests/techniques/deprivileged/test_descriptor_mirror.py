"""The VMM's mirror of a guest's descriptor table."""

from __future__ import annotations

import struct

import pytest

from hardware_model.descriptors import SegmentDescriptor, code64, data, tss_descriptor
from techniques.deprivileged.descriptor_mirror import DescriptorMirror, compressed, leads_outward

TABLE = 0x1000


class Memory:
    """Machine memory of two pages."""

    def __init__(self) -> None:
        self.bytes = bytearray(0x2000)

    def write(self, address: int, content: bytes) -> None:
        self.bytes[address : address + len(content)] = content

    def write64(self, address: int, value: int) -> None:
        self.write(address, value.to_bytes(8, "little"))

    def descriptor(self, index: int) -> SegmentDescriptor:
        return SegmentDescriptor.decode(
            bytes(self.bytes[TABLE + 8 * index : TABLE + 8 * index + 16])
        )


@pytest.fixture
def memory() -> Memory:
    return Memory()


def table(*descriptors: bytes) -> bytes:
    return bytes(8) + b"".join(descriptors)


def test_ring_0_becomes_ring_1_and_other_rings_stay(memory: Memory) -> None:
    mirror = DescriptorMirror(memory, TABLE)  # type: ignore[arg-type]
    mirror.update(table(*(kind(ring).encode() for ring in range(4) for kind in (code64, data))))
    assert [memory.descriptor(1 + i).dpl for i in range(8)] == [1, 1, 1, 1, 2, 2, 3, 3]


def test_system_descriptors_are_left_out(memory: Memory) -> None:
    mirror = DescriptorMirror(memory, TABLE)  # type: ignore[arg-type]
    mirror.update(table(tss_descriptor(0xFFFF_8000_1234_5000).encode(), code64().encode()))
    assert memory.bytes[TABLE + 8 : TABLE + 24] == bytes(16)
    assert memory.descriptor(3).dpl == 1


def test_code_that_a_return_could_enter_is_absent_while_the_kernel_runs(memory: Memory) -> None:
    mirror = DescriptorMirror(memory, TABLE)  # type: ignore[arg-type]
    mirror.update(table(code64().encode(), code64(3).encode(), data(3).encode()))
    assert [memory.descriptor(i).present for i in (1, 2, 3)] == [True, False, True]
    mirror.set_ring(in_kernel=False)
    assert [memory.descriptor(i).present for i in (1, 2, 3)] == [True, True, True]
    mirror.update(table(code64(3).encode(), code64(3).encode(), data(3).encode()))
    assert [memory.descriptor(i).present for i in (1, 2, 3)] == [True, True, True]
    mirror.set_ring(in_kernel=True)
    assert [memory.descriptor(i).present for i in (1, 2, 3)] == [False, False, True]


def test_a_table_that_shrinks_leaves_nothing_behind(memory: Memory) -> None:
    mirror = DescriptorMirror(memory, TABLE)  # type: ignore[arg-type]
    mirror.update(table(code64().encode(), data().encode()))
    mirror.update(table(code64().encode()))
    assert memory.bytes[TABLE + 16 : TABLE + 24] == bytes(8)


def test_conforming_code_leads_outward_whatever_its_ring() -> None:
    conforming = SegmentDescriptor(0, 0xFFFFFFFF, 15, long=True).encode()
    word = compressed(struct.unpack("<Q", conforming)[0])
    assert leads_outward(word)
    assert not leads_outward(compressed(struct.unpack("<Q", code64().encode())[0]))
    assert not leads_outward(compressed(struct.unpack("<Q", data(3).encode())[0]))
