"""The image: the same at each build, cached on disk, sensitive instructions only where they belong."""

from __future__ import annotations

from collections import Counter

import pytest
from iced_x86 import Code, Decoder, Instruction, Mnemonic, OpKind, Register

import workloads
from workloads import image, image_cache
from workloads.assembler import assemble
from workloads.macros import Expander
from workloads.workload import Workload

SEGMENTS = {Register.ES, Register.CS, Register.SS, Register.DS, Register.FS, Register.GS}
UNPRIVILEGED_BUT_SENSITIVE = frozenset(
    getattr(Mnemonic, name)
    for name in (
        *("PUSHF", "PUSHFQ", "POPF", "POPFQ", "IRET", "IRETQ", "RETF", "INT", "INT3", "INT1"),
        *("SGDT", "SIDT", "SLDT", "STR", "SMSW", "LAR", "LSL", "VERR", "VERW", "LSS", "LFS", "LGS"),
        *("RDTSC", "RDTSCP", "RDPMC", "CPUID", "STAC", "CLAC", "SWAPGS", "CLI", "STI", "IN", "OUT"),
        *("VMCALL", "SYSCALL", "SYSRET", "SYSRETQ"),
    )
    if hasattr(Mnemonic, name)
)


def build(workload: Workload, pv: bool = False) -> image.Image:
    """The image, not from the cache."""
    return image.build(workload.path, tuple(workload.named_parameters("small")), pv)


def sensitive(instruction: Instruction) -> bool:
    """Whether an instruction shows or changes what a VMM must keep from its guest."""
    if instruction.is_privileged or instruction.mnemonic in UNPRIVILEGED_BUT_SENSITIVE:
        return True
    kinds = range(instruction.op_count)
    return instruction.mnemonic in (Mnemonic.MOV, Mnemonic.PUSH, Mnemonic.POP) and any(
        instruction.op_kind(n) == OpKind.REGISTER and instruction.op_register(n) in SEGMENTS
        for n in kinds
    )


@pytest.fixture(scope="module")
def kernel_statements():
    files = (*image.DEFINITIONS, *image.KERNEL_FILES, *image.DRIVER_FILES)
    return image.kernel_statements(files)


CONSTANTS = {
    "USER_TEXT_BYTES": 4096,
    "USER_DATA_BYTES": 0,
    "USER_MAIN": 0x400000,
    "HAS_USER_PART": 1,
}


@pytest.fixture(scope="module")
def kernel(kernel_statements):
    base = image.KERNEL_BASE + image.IMAGE_PHYSICAL
    return assemble(kernel_statements, ("kernel", "kernel_data"), base, CONSTANTS)


def disassembled(kernel) -> list[Instruction]:
    text = kernel.code[: kernel.sizes["kernel"]].rstrip(b"\xcc")
    return list(Decoder(64, text, ip=kernel.base))


def test_building_twice_gives_the_same_bytes():
    workload = workloads.find("kernel/pipe")
    assert build(workload) == build(workload) == workload.image()


def test_the_entry_is_the_first_byte():
    built = build(workloads.find("nano/in"))
    assert built.entry == built.base == built.symbols["boot"] == 0xFFFFFFFF80100000


def test_the_user_program_follows_the_kernel_on_pages_of_its_own():
    built = build(workloads.find("kernel/pipe"))
    user = built.symbols["kernel_data_end"] - built.base
    assert user % 4096 == len(built.code) % 4096 == 0
    assert built.symbols["user_main"] == 0x400000
    assert len(built.code) - user == built.symbols["user_data_end"] - 0x400000


def test_labels_that_kernel_and_user_share_are_both_there(tmp_path):
    path = tmp_path / "twice.asm"
    header = "".join(f'#: {k} = "x"\n' for k in ("title", "stresses", "outcome"))
    header += "".join(f"#: {size} = {{}}\n" for size in ("small", "standard", "large"))
    path.write_text(header + "@user\nuser_main: nop\npanic: jmp panic\n")
    symbols = workloads.find(path).image().symbols
    assert symbols["panic"] > image.KERNEL_BASE > symbols["panic@user"] > 0x400000


def test_every_kernel_file_belongs_to_the_kernel():
    files = {path.name for path in image.KERNEL_SOURCE.glob("*.asm") if "xen" not in path.name}
    named = (*image.DEFINITIONS, *image.KERNEL_FILES, *image.DRIVER_FILES)
    assert files == {name for name in named if "xen" not in name}


def test_kernel_text_is_all_instructions(kernel):
    assert not [i for i in disassembled(kernel) if i.code == Code.INVALID]


def test_sensitive_instructions_come_only_from_the_pv_ops_macros(kernel, kernel_statements):
    names = ("pushfq", "popfq", "iretq", "retfq")
    expanded = list(Expander(CONSTANTS).expand(kernel_statements))
    from_macros = Counter()
    for statement in expanded:
        code = [] if statement.section != "kernel" else _decoded(statement.text)
        if any(map(sensitive, code)):
            assert statement.place.file == "kernel_source/pv_ops.asm", statement
            from_macros[statement.word] += 1
    in_binary = Counter(map(sensitive, disassembled(kernel)))
    assert in_binary[True] == sum(from_macros.values())
    assert all(from_macros[name] for name in (*names, "cli", "sti", "hlt", "sysret", "invlpg"))


def _decoded(statement: str) -> list[Instruction]:
    """One statement's instruction; labels, directives and uses of labels are none."""
    from keystone import KS_ARCH_X86, KS_MODE_64, Ks, KsError

    if statement.endswith(":") or statement.startswith("."):
        return []
    engine = Ks(KS_ARCH_X86, KS_MODE_64)
    engine.sym_resolver = _anywhere
    try:
        code, _ = engine.asm(statement, 0, as_bytes=True)
    except KsError:
        return []
    return list(Decoder(64, code, ip=0))


def _anywhere(symbol, value) -> bool:
    value[0] = 0
    return True


def test_an_image_is_read_back_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(image_cache, "_directory", lambda: tmp_path)
    calls = []

    def make() -> image.Image:
        calls.append(1)
        return image.Image(b"code", 1, 2, {"label": 3})

    first, second = (image_cache.cached("key", make) for _ in range(2))
    assert first == second
    assert len(calls) == 1


@pytest.mark.parametrize("damage", [b"", b"no cache entry", b'{"bytes": 9}\n'])
def test_a_damaged_cache_entry_is_built_anew(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(image_cache, "_directory", lambda: tmp_path)
    (tmp_path / "key.image").write_bytes(damage)
    wanted = image.Image(b"code", 1, 2, {})
    assert image_cache.cached("key", lambda: wanted) == wanted
    assert image_cache.cached("key", lambda: None) == wanted


def test_a_cache_that_cannot_be_written_does_no_harm(monkeypatch):
    from pathlib import Path

    monkeypatch.setattr(image_cache, "_directory", lambda: Path("/proc/nowhere"))
    wanted = image.Image(b"code", 1, 2, {})
    assert image_cache.cached("key", lambda: wanted) == wanted
