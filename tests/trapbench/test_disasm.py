"""`trapbench disasm` shows guest code beside its translation or its port, and the hot exits."""

from __future__ import annotations

import json

import pytest

from trapbench import cli


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.invoke(["disasm", *arguments]) == 0
    return capsys.readouterr().out


def test_every_guest_instruction_of_a_unit_has_its_translation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    printed = json.loads(shown(capsys, "nano/in", "--technique", "bt", "--json"))
    assert len(printed["passages"]) > 50
    for passage in printed["passages"]:
        entry, *instructions = passage["rows"]
        assert entry[0] == [] and instructions
        assert all(len(guest) == 1 and emitted for guest, emitted in instructions)


def test_a_sequence_on_the_state_page_is_shown_by_field_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, "nano/in", "--technique", "bt", "--symbol", "workload_main")
    assert "in al, 0x80" in text and "mov al, [port_values+0x80]" in text
    assert "jne unit:workload_main+0x10" in text
    assert "callout emulate" in text


def test_only_what_porting_changed_is_shown_for_pv(capsys: pytest.CaptureFixture[str]) -> None:
    printed = json.loads(shown(capsys, "nano/pgfault", "--technique", "pv", "--json"))
    titles = [passage["title"] for passage in printed["passages"]]
    assert "return_to_user" in titles and "clear_memory" not in titles
    rows = next(p["rows"] for p in printed["passages"] if p["title"] == "trap")
    swapgs = [(left, right) for left, right in rows if any(x["text"] == "swapgs" for x in left)]
    assert [right for _, right in swapgs] == [[]]


def test_the_hot_list_names_the_symbol(capsys: pytest.CaptureFixture[str]) -> None:
    printed = json.loads(shown(capsys, "nano/pgfault", "--technique", "hvm-ept", "--json"))
    assert printed["passages"] == []
    assert {row["symbol"] for row in printed["hot"]} >= {"write_character", "enable_features"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nano/in", "--technique", "xyz"], "unknown technique"),
        (["nano/out", "--technique", "bt"], "nano/out"),
        (["nano/in", "--technique", "bt", "--set", "bt.x=1"], "unknown knob"),
        (["nano/in", "--technique", "bt", "--size", "tiny"], "unknown size"),
        (["exit/lgdt", "--technique", "pv"], "porting removes"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.invoke(["disasm", *arguments]) == cli.EXIT_USER_ERROR
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
