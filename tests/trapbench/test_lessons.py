"""`--help` teaches by examples that are no mistakes, and a shell is offered what the commands would find."""

from __future__ import annotations

import shlex

import click
import pytest
from click.shell_completion import ShellComplete

from trapbench import cli
from trapbench.lessons import FIRST_STEPS, LESSONS

_TYPED = [typed for lesson in LESSONS.values() for _, typed in lesson.examples]
_TYPED += [typed for _, typed in FIRST_STEPS if typed.startswith("trapbench ")]


def test_every_command_has_a_summary_that_fits_a_line_and_an_example() -> None:
    assert list(LESSONS) == cli.trapbench.list_commands(click.Context(cli.trapbench))
    assert all(len(lesson.summary) <= 62 and lesson.examples for lesson in LESSONS.values())


@pytest.mark.parametrize("typed", _TYPED)
def test_an_example_is_understood(typed: str) -> None:
    program, name, *arguments = shlex.split(typed)
    assert program == "trapbench"
    command = cli.trapbench.get_command(click.Context(cli.trapbench), name)
    assert command is not None
    command.make_context(name, arguments)


@pytest.mark.parametrize("name", LESSONS)
def test_help_of_a_command_shows_its_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.invoke([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"    {typed}\n" in printed for _, typed in LESSONS[name].examples)


def _offered(typed: str) -> list[str]:
    *words, incomplete = typed.split(" ")
    complete = ShellComplete(cli.trapbench, {}, "trapbench", "_TRAPBENCH_COMPLETE")
    found = complete.get_completions(words, incomplete)
    return [item.value if item.type == "plain" else f"<{item.type}>" for item in found]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sh", ["show"]),
        ("run --technique hvm", ["hvm-ept", "hvm-shadow"]),
        ("run --workload nano/p", ["nano/pgfault", "nano/ptemod-np-to-p"]),
        ("run --workload comp", ["compute", "compute/matrix-product"]),
        ("run --workload ./mi", ["<file>"]),
        ("run --set shadow.po", ["shadow.policy="]),
        ("run --beside pv", ["pv:"]),
        ("run --size st", ["standard"]),
        ("run --io pass", ["passthrough"]),
        ("show --preset neh", ["nehalem"]),
        ("show --by in", ["interval"]),
        ("crossover --vary vmx.round", ["vmx.round_trip"]),
        ("crossover --between bt hvm-e", ["hvm-ept"]),
        ("trace kernel/fork-w", ["kernel/fork-wait", "kernel/fork-wait@process"]),
    ],
)
def test_a_shell_is_offered_names(typed: str, offered: list[str]) -> None:
    assert _offered(typed)[: len(offered)] == offered
