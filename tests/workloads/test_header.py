"""The header of a workload file: sizes, variants, and errors that name their line."""

from __future__ import annotations

import pytest

from workloads import header
from workloads.errors import WorkloadError

LINES = [
    'title = "T"',
    'stresses = "S"',
    'outcome = "O"',
    "small = { b = 1, a = 2 }",
    "standard = { b = 10, a = 2 }",
    "large = { b = 100, a = 0xffffffffffffffff }",
]


def text(*more: str, without: str = "", **changed: str) -> str:
    """A header with some lines changed."""
    lines = [line for line in LINES if not without or not line.startswith(without)]
    lines = [changed.get(line.split(" ")[0], line) for line in lines] + list(more)
    return "\n".join("#: " + line for line in lines) + "\n@user\nuser_main: ret\n"


def error(source: str) -> str:
    """What is wrong with it."""
    with pytest.raises(WorkloadError) as caught:
        header.parse(source, "file.asm")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_parameters_keep_their_declared_order():
    assert list(header.parse(text(), "f").sizes["small"].items()) == [("b", 1), ("a", 2)]


def test_what_is_not_said_has_defaults():
    about = header.parse(text(), "f")
    assert (about.ram_mib, about.budget, about.needs, about.expect) == (32, None, (), {})


def test_other_comments_may_stand_between_header_lines():
    lines = text().splitlines()
    assert header.parse("\n".join([lines[0], "# a remark", *lines[1:]]), "f").title == "T"


def test_a_variant_changes_parameters_of_every_size():
    about = header.parse(text('variants = { "x2" = { a = 7 } }'), "f")
    assert about.variants["x2"]["small"] == {"b": 1, "a": 7}
    assert about.variants["x2"]["large"] == {"b": 100, "a": 7}


def test_a_variant_may_change_one_size_only():
    about = header.parse(text("[variants]", "v = { a = 7, small = { b = 3 } }"), "f")
    assert about.variants["v"]["small"] == {"b": 3, "a": 7}
    assert about.variants["v"]["standard"] == {"b": 10, "a": 7}


def test_a_table_may_spread_over_lines():
    about = header.parse(text("slots = [", '  "one", "two",', "]"), "f")
    assert about.slots == ("one", "two")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("@user\n", "1: a workload starts with a header of lines '#: key = value'"),
        (text(without="title"), "1: the header lacks 'title'"),
        (text(without="large"), "1: the header lacks 'large'"),
        (text(small="small = {"), "4: the header is not TOML: "),
        (text("colour = 3"), "7: the header knows no key 'colour'"),
        (text("sizes = 3"), "7: the header knows no key 'sizes'"),
        (text(title="title = 3"), "1: 'title' must be a string"),
        (text(small="small = 3"), "4: 'small' must be a table"),
        (text(small="small = { b = -1, a = 0 }"), "4: parameter 'b' must be an integer of 64"),
        (text(small="small = { b = true, a = 0 }"), "4: parameter 'b' must be an integer of 64"),
        (text(small="small = { B = 1, a = 0 }"), "4: parameter 'B' is not a lower-case name"),
        (text(large="large = { a = 1, b = 1 }"), "6: large must give the same parameters as"),
        (text("budget = 0"), "7: 'budget' must be positive"),
        (text("ram_mib = 'x'"), "7: 'ram_mib' must be a whole number"),
        (text("[variants]", "v = { c = 1 }"), "8: variant 'v' sets an undeclared 'c'"),
        (text("[variants]", '"V!" = { a = 1 }'), "8: variant 'V!' must be a lower-case name"),
        (text("[variants]", "v = 1"), "8: variant 'v' must be a lower-case name of a table"),
        (text("[variants]", "v = { small = 3 }"), "8: 'small' of variant 'v' must be a table"),
    ],
)
def test_an_error_is_one_sentence_with_its_line(source, sentence):
    assert error(source).startswith("file.asm:" + sentence)


def test_there_are_at_most_16_parameters():
    many = ", ".join(f"p{n} = 1" for n in range(17))
    assert "small gives more than 16 parameters" in error(text(small=f"small = {{ {many} }}"))
