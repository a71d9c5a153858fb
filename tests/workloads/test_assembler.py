"""The assembler: what is encoded where, macros and conditions, and errors that name their line."""

from __future__ import annotations

import struct

import pytest

from workloads import source
from workloads.assembler import PAGE, Unit, assemble
from workloads.errors import AssemblyError

BASE = 0xFFFFFFFF80100000


def unit(text: str, **constants: int) -> Unit:
    """`text` as the kernel section of a file."""
    statements = list(source.parse("@kernel\n" + text, "file.asm"))
    return assemble(statements, ("kernel", "kernel_data"), BASE, constants)


def code(text: str, **constants: int) -> bytes:
    """Its first bytes, up to a label `end`."""
    assembled = unit(text + "\nend:", **constants)
    return assembled.code[: assembled.symbols["end"] - BASE]


def error(text: str) -> str:
    """What is wrong with it."""
    with pytest.raises(AssemblyError) as caught:
        unit(text)
    return str(caught.value)


def test_several_statements_and_labels_may_share_a_line():
    assert code("first: nop; second: ret # ; hlt") == b"\x90\xc3"


def test_labels_have_linear_addresses():
    assembled = unit("nop\nhere: nop\nthere: .quad here, there - here")
    assert assembled.symbols["here"] == BASE + 1
    assert struct.unpack_from("<2Q", assembled.code, 2) == (BASE + 1, 1)


def test_sections_begin_on_pages_of_their_own_whatever_their_order_in_the_source():
    assembled = unit("nop\n@kernel_data\ndata: .byte 7\n@kernel\nret")
    assert assembled.code[:2] == b"\x90\xc3"
    assert assembled.symbols["data"] == assembled.symbols["kernel_end"] == BASE + PAGE
    assert assembled.code[PAGE] == 7
    assert assembled.sizes == {"kernel": PAGE, "kernel_data": PAGE}


def test_pages_are_filled_with_breakpoints_behind_code_and_zeroes_behind_data():
    assembled = unit("ret\n@kernel_data\n.byte 7")
    assert assembled.code[1:PAGE] == b"\xcc" * (PAGE - 1)
    assert assembled.code[PAGE + 1 :] == bytes(PAGE - 1)


def test_decimal_numbers_are_decimal_everywhere():
    assert code("mov eax, 10\n.byte 10, 0x10\n.word 1000\n.zero 12") == (
        b"\xb8\x0a\0\0\0" + b"\x0a\x10" + b"\xe8\x03" + bytes(12)
    )


def test_constant_expressions_use_64_unsigned_bits():
    assert code(".set TOP, 1 << 63\nmov rax, TOP | 5") == b"\x48\xb8\x05" + bytes(6) + b"\x80"


def test_constant_addresses_may_lie_in_the_upper_half():
    text = ".set APIC, 0xffffffffc0000000\nmov dword ptr [APIC + 0xb0], 0"
    displacement = 0xFFFFFFFFC00000B0 - (BASE + 10)
    assert code(text) == b"\xc7\x05" + struct.pack("<i", displacement) + bytes(4)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7 / 2", 3),
        ("1 << 4 | 1", 17),
        ("(5 > 3) && !(2 == 3)", 1),
        ("0 || 0", 0),
        ("~0 & 0xff", 255),
        ("'a' + 1", 98),
        ("-1 & 15", 15),
        ("10 % 4 ^ 1", 3),
        ("2 != 3", 1),
    ],
)
def test_constant_expressions(expression, value):
    assert code(f".byte {expression}") == bytes([value])


def test_a_constant_may_be_set_again():
    text = ".set N, 0\n.rept 3\n.byte N\n.set N, N + 1\n.endr"
    assert code(text) == bytes([0, 1, 2])


def test_a_constant_may_be_an_expression_over_labels():
    assert code("nop\nnop\nlater:\n.set SIZE, later - begin\n.byte SIZE\nbegin:")[2] == 0xFF


def test_macros_have_arguments_and_defaults():
    text = ".macro PAIR a, b=2\n.byte \\a, \\b\n.endm\nPAIR 1\nPAIR 3, 4"
    assert code(text) == bytes([1, 2, 3, 4])


def test_an_argument_may_contain_commas_in_brackets_and_be_a_macro():
    text = ".macro TWICE what\n\\what\n\\what\n.endm\n.macro ONE\nnop\n.endm\nTWICE ONE"
    assert code(text) == b"\x90\x90"


def test_percent_labels_are_unique_in_each_use():
    text = ".macro SKIP\njmp %%over\nnop\n%%over:\n.endm\nSKIP\nSKIP"
    assert code(text) == b"\xeb\x01\x90" * 2


def test_dotted_labels_belong_to_their_routine():
    assembled = unit("one: jmp .end\n.end: ret\ntwo: jmp .end\nnop\n.end: ret")
    assert assembled.code[:8] == b"\xeb\x00\xc3\xeb\x01\x90\xc3"[:7] + assembled.code[7:8]
    assert set(assembled.symbols) == {"one", "two", "kernel_end", "kernel_data_end"}


def test_irp_goes_through_its_values():
    text = ".irp register, rbx, r12\npush \\register\n.endr"
    assert code(text) == b"\x53\x41\x54"


def test_macros_of_the_common_part_go_where_they_are_used():
    text = ".macro SEVEN\n.byte 7\n.endm\n@kernel_data\ndata: SEVEN"
    statements = list(source.parse(text, "file.asm"))
    assembled = assemble(statements, ("kernel", "kernel_data"), BASE, {})
    assert assembled.code[assembled.symbols["data"] - BASE] == 7


@pytest.mark.parametrize(
    ("constants", "expected"), [({}, b"\x03"), ({"A": 0}, b"\x02"), ({"A": 1}, b"\x01")]
)
def test_conditions_choose_one_branch(constants, expected):
    text = ".ifdef A\n.if A == 1\n.byte 1\n.else\n.byte 2\n.endif\n.else\n.byte 3\n.endif"
    assert code(text, **constants) == expected


def test_elseif_is_asked_in_turn():
    text = ".if N == 1\n.byte 1\n.elseif N == 2\n.byte 2\n.else\n.byte 3\n.endif"
    assert [code(text, N=n)[0] for n in (1, 2, 3)] == [1, 2, 3]


def test_strings_are_left_alone():
    assert code('.set N, 5\n.asciz "N; # 10"') == b"N; # 10\0"


def test_assembling_twice_gives_the_same():
    text = ".macro WAIT\n%%again: jmp %%again\n.endm\nstart: WAIT\nWAIT"
    assert unit(text) == unit(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nop\nfrobnicate rax\nnop", "3: cannot assemble 'frobnicate rax': invalid mnemonic"),
        ("nop\nmov rax", "3: cannot assemble 'mov rax': invalid operand"),
        ("jmp nowhere", "2: nowhere is not defined"),
        ("a: nop\njmp .nowhere", "3: .nowhere is not defined"),
        ("a: nop\nb: nop\na: nop", "4: label a is already defined at file.asm:2"),
        ("f: nop\n.x: nop\n.x: nop", "4: label .x is already defined at file.asm:3"),
        (".if X == 1\n.endif", "2: X is not a constant known here"),
        (".if (\n.endif", "2: '(' is not a constant expression"),
        (".if 1 / 0\n.endif", "2: '1 // 0' is not a constant expression"),
        (".rept 2\nnop", "2: .rept is never closed"),
        (".rept 2\n.endif", "3: .endif does not close .rept"),
        (".endm", "2: .endm closes nothing"),
        (".else", "2: .else closes nothing"),
        (".set X", "2: .set needs a name, a comma and an expression"),
        ('.error "not today"', "2: not today"),
        (".macro M a\n.endm\nM", "4: macro M needs an argument for a"),
        (".macro M a\n.endm\nM 1, 2", "4: macro M takes 1 argument(s) but 2 are given"),
        ("@nowhere", "2: there is no section @nowhere; sections are"),
        (".asciz \"\u00e4\"", "2: only ASCII characters can be assembled"),
        (".rept 1000000\nnop\n.endr", "3: the source expands to more than 50000 lines"),
    ],
)  # fmt: skip
def test_an_error_is_one_sentence_with_its_line(text, sentence):
    assert error(text).startswith("file.asm:" + sentence)
    assert "\n" not in error(text)


def test_an_error_in_a_macro_names_the_line_and_the_use():
    text = ".macro BAD\nnop\nbad\n.endm\nnop\nBAD"
    assert error(text) == (
        "file.asm:4: cannot assemble 'bad': invalid mnemonic (in a macro used at file.asm:7)"
    )


def test_a_macro_that_uses_itself_is_an_error():
    assert "macro M is used inside itself without end" in error(".macro M\nM\n.endm\nM")


def test_code_outside_of_any_section_is_an_error():
    with pytest.raises(AssemblyError, match=r"file.asm:1: 'nop' stands in no section"):
        assemble(list(source.parse("nop", "file.asm")), ("kernel",), BASE, {})
