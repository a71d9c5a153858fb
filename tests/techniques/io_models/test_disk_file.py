"""A disk over a file that a workload names: the same sectors under every technique and I/O model, and the file stays."""

from __future__ import annotations

import struct

import pytest

import techniques
import workloads
from workloads.errors import WorkloadError

SECTORS = 24
SOURCE = """#: title = "A disk of one's own"
#: stresses = "the disk"
#: outcome = "result 0 to 3: words of the file, of what was written over it, and whether reading behind its end fails"
#: needs = ["devices"]
#: slots = ["first", "last", "written", "behind"]
#: disk = "data.img"
#: small = { }
#: standard = { }
#: large = { }
@kernel
.macro TRANSFER direction, sector
    mov edi, \\direction
    mov esi, \\sector
    mov edx, 1
    call disk_transfer
.endm
workload_main:
    push rbx
    call initialise_devices
    jnz .failed
    TRANSFER DISK_READ, 0
    call disk_buffer
    mov rcx, [rax]
    mov [rip + result], rcx
    TRANSFER DISK_READ, LAST
    call disk_buffer
    mov rcx, [rax + 504]
    mov [rip + result + 8], rcx
    call disk_buffer
    mov qword ptr [rax], 0x1234
    TRANSFER DISK_WRITE, LAST
    TRANSFER DISK_READ, 1
    TRANSFER DISK_READ, LAST
    call disk_buffer
    mov rcx, [rax]
    mov [rip + result + 16], rcx
    TRANSFER DISK_READ, BEHIND
    mov [rip + result + 24], rax
    xor eax, eax
    jmp .end
.failed:
    mov eax, 1
.end:
    pop rbx
    ret
""".replace("LAST", str(SECTORS - 1)).replace("BEHIND", str(SECTORS))
CELLS = [
    ("native", "emulated"),
    *(
        (technique, io)
        for technique in ("hvm-ept", "hvm-shadow", "bt", "trap-and-emulate")
        for io in ("emulated", "paravirtual", "passthrough")
    ),
    ("pv", "paravirtual"),
]


@pytest.fixture
def named(tmp_path):
    """The workload's file, with its disk beside it."""
    words = struct.pack(f"<{SECTORS * 64}Q", *(0xD15C << 32 | n for n in range(SECTORS * 64)))
    (tmp_path / "data.img").write_bytes(words + b"part of a sector")
    file = tmp_path / "mine.asm"
    file.write_text(SOURCE)
    return file


@pytest.mark.parametrize(("technique", "io"), CELLS)
def test_the_guest_reads_the_file_and_its_writes_do_not_reach_it(named, technique, io):
    before = (named.parent / "data.img").read_bytes()
    found = techniques.run_guest(technique, workloads.find(named), "small", io=io)
    assert found.status == "ok", found.reason
    result = bytes.fromhex(found.outcome_parts["result"]).ljust(32, b"\0")
    first, last, written, behind = struct.unpack("<4Q", result)
    assert (first, last, written) == (0xD15C << 32, 0xD15C << 32 | SECTORS * 64 - 1, 0x1234)
    assert behind != 0
    assert (named.parent / "data.img").read_bytes() == before


def test_each_of_two_vms_has_the_disk_of_its_own_workload(named):
    beside = {"beside": f"bt:{named}"}
    found = techniques.run_guest("hvm-ept", workloads.find("io/disk-read"), "small", knobs=beside)
    alone = techniques.run_guest("hvm-ept", workloads.find("io/disk-read"), "small")
    assert (found.status, found.outcome_parts) == ("ok", alone.outcome_parts), found.reason


def test_a_cell_is_another_when_the_file_has_other_bytes(named):
    before = workloads.find(named).digest
    (named.parent / "data.img").write_bytes(bytes(512 * SECTORS))
    assert workloads.find(named).digest != before


@pytest.mark.parametrize("content", [None, b"", b"x" * 511])
def test_a_file_that_is_no_disk_is_refused_with_its_line(named, content):
    image = named.parent / "data.img"
    image.unlink()
    if content is not None:
        image.write_bytes(content)
    with pytest.raises(WorkloadError, match=r"mine\.asm:6: .*data\.img is no file of at least 512"):
        workloads.find(named)
