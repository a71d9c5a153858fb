"""A guest that goes wrong costs its own cell: one clear sentence, exit status 1, and no hang."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from results.run import Run
from trapbench.cli import invoke

_HEADER = """\
#: title = "Trouble"
#: stresses = "the harness"
#: outcome = "none"
#: small = { n = 1 }
#: standard = { n = 1 }
#: large = { n = 1 }
"""

TRIPLE_FAULT = """
@kernel
workload_main:
    sub rsp, 16
    mov qword ptr [rsp], 0
    mov qword ptr [rsp + 8], 0
    lidt [rsp]
    ud2
"""
ENDLESS_LOOP = """
@kernel
workload_main:
    jmp workload_main
"""
ENDLESS_SLEEP = """
@kernel
workload_main:
    cli
    hlt
    jmp workload_main
"""
OUT_OF_MEMORY = """
@kernel
workload_main:
    call allocate_zeroed_frame
    jmp workload_main
"""
WRITE_TO_NOWHERE = """
@kernel
workload_main:
    mov rax, 0xffff900000000000
    mov [rax], rax
    ret
"""
NON_CANONICAL_JUMP = """
@kernel
workload_main:
    mov rax, 0x8000000000000000
    jmp rax
"""
OWN_STATUS = """
@kernel
workload_main:
    mov eax, 7
    ret
"""


def _run(tmp_path: Path, text: str, *options: str) -> Run:
    source = tmp_path / "trouble.asm"
    source.write_text(_HEADER + text)
    out = tmp_path / "out"
    techniques = [f"--technique={name}" for name in ("native", "hvm-shadow", "hvm-ept")]
    arguments = ["run", f"--workload={source}", *techniques, f"--out={out}", *options]
    assert invoke(arguments) == 1
    return Run.load(out)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (TRIPLE_FAULT, "triple"),
        (OUT_OF_MEMORY, "out of memory"),
        (WRITE_TO_NOWHERE, "panic"),
        (NON_CANONICAL_JUMP, "panic"),
        (OWN_STATUS, "the guest ended with status 7"),
        (ENDLESS_SLEEP, "halted"),
    ],
)
def test_each_technique_says_what_the_guest_did(
    tmp_path: Path, text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = _run(tmp_path, text).runs
    assert len(runs) == 3
    assert set(runs["status"]) == {"failed"}
    assert all(sentence in reason for reason in runs["reason"]), runs["reason"].tolist()
    assert all("\n" not in reason for reason in runs["reason"])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert printed.err.count("\n") == 3


def test_an_endless_loop_ends_with_its_instruction_budget(tmp_path: Path) -> None:
    runs = _run(tmp_path, ENDLESS_LOOP, "--budget=100000").runs
    assert set(runs["status"]) == {"failed"}
    assert all("budget" in reason for reason in runs["reason"]), runs["reason"].tolist()


def test_what_the_budget_misses_the_clock_ends(tmp_path: Path) -> None:
    started = time.monotonic()
    reasons = _run(tmp_path, ENDLESS_LOOP, "--budget=1000000000000", "--timeout=2", "--jobs=3").runs
    assert all("limit of 2 s of wall-clock time" in r for r in reasons["reason"])
    assert time.monotonic() - started < 60
