"""What `--help` teaches beyond options: each command in one line, and examples to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import click

from trapbench.names import TYPES


@dataclass(frozen=True, slots=True)
class Lesson:
    """One command: `summary` for the list of commands, `examples` as (what one wants, what one types)."""

    summary: str
    examples: tuple[tuple[str, str], ...] = ()


FIRST_STEPS = (
    ("what a page fault costs, under every technique", "trapbench run --workload nano/pgfault"),
    ("the newest result: exits, and cycles over native", "trapbench show"),
    ("one file to read and to pass on", "trapbench report"),
    ("TAB completes names, here in bash", 'eval "$(_TRAPBENCH_COMPLETE=bash_source trapbench)"'),
)

LESSONS: Mapping[str, Lesson] = {
    "list": Lesson(
        "What there is: techniques, workloads, presets, counters.",
        (
            ("every counter and what it means", "trapbench list counters"),
            ("what a profile for `advise` may say", "trapbench list activities"),
            ("for a program", "trapbench list workloads --json"),
        ),
    ),
    "run": Lesson(
        "Run techniques over workloads; store what was counted.",
        (
            ("the whole matrix, about two minutes", "trapbench run"),
            (
                "one family under two techniques",
                "trapbench run --workload kernel --technique bt --technique hvm-ept",
            ),
            ("a file of your own", "trapbench run --workload mine.asm"),
            (
                "another policy of shadow paging",
                "trapbench run --workload kernel --set shadow.policy=unsync",
            ),
            (
                "a curve",
                "trapbench run --workload memory/pointer-chase --sweep footprint=64Ki..16Mi*2",
            ),
            ("go on after an interruption", "trapbench run --resume"),
        ),
    ),
    "fetch": Lesson(
        "Get Debian's Linux kernel, to run programs on it.",
        (("then `trapbench run --workload linux` works", "trapbench fetch linux"),),
    ),
    "show": Lesson(
        "Tables: entries into the VMM, cycles over native.",
        (
            ("where the cycles went", "trapbench show --by component"),
            (
                "which instructions caused the exits",
                "trapbench show --by exit --workload kernel/fork-wait",
            ),
            ("the same counts on a processor of 2005", "trapbench show --preset prescott"),
        ),
    ),
    "plot": Lesson(
        "Pictures of a result, into its folder's plots/.",
        (("for a paper", "trapbench plot --format svg --out figures"),),
    ),
    "report": Lesson(
        "One offline HTML file about a result.",
        (
            (
                "costed on another processor",
                "trapbench report --preset skylake-sp --out report.html",
            ),
        ),
    ),
    "trace": Lesson(
        "A timeline of exits and interrupts for Perfetto.",
        (
            (
                "open the file at ui.perfetto.dev",
                "trapbench trace kernel/fork-wait --technique hvm-shadow",
            ),
        ),
    ),
    "merge": Lesson(
        "Put folders of several machines together.",
        (("three machines, one result", "trapbench merge all first second third"),),
    ),
    "diff": Lesson(
        "Exact differences of counters; status 1 if any.",
        (("a gate in continuous integration", "trapbench diff baseline trapbench-runs/today"),),
    ),
    "validate": Lesson(
        "Predictions beside published measurements.",
        (("run what the published rows need first", "trapbench validate --run validation"),),
    ),
    "crossover": Lesson(
        "At which cost does another technique win?",
        (
            (
                "how cheap must an exit be?",
                "trapbench crossover --vary vmx.round_trip --between bt hvm-shadow",
            ),
        ),
    ),
    "claims": Lesson(
        "The literature's claims, tested on a result.",
        (("verdicts with their evidence, for a program", "trapbench claims --json"),),
    ),
    "sensitivity": Lesson(
        "Which costs move a result most.",
        (
            ("ranked", "trapbench sensitivity"),
            (
                "a tornado of one comparison",
                "trapbench sensitivity --between pv hvm-ept --workload kernel/fork-wait",
            ),
        ),
    ),
    "compare-host": Lesson(
        "A KVM host's own statistics beside the model.",
        (("a report of `perf kvm stat`", "trapbench compare-host report.txt"),),
    ),
    "disasm": Lesson(
        "Guest code beside what BT or PV made of it.",
        (("a system call, translated", "trapbench disasm nano/syscall --technique bt"),),
    ),
    "advise": Lesson(
        "Which technique suits a system known by its rates.",
        (
            ("on one generation", "trapbench advise --profile server.toml --preset nehalem"),
            ("what perf kvm stat saw in 10 s", "trapbench advise --profile host.txt --seconds 10"),
        ),
    ),
}


def teach(name: str, command: click.Command) -> click.Command:
    """Give a command its lesson, and its parameters that are names their types."""
    command.short_help = LESSONS[name].summary
    command.epilog = examples(LESSONS[name].examples)
    for parameter in command.params:
        if parameter.type is click.STRING and parameter.name in TYPES:
            parameter.type = TYPES[parameter.name]
    return command


def examples(pairs: tuple[tuple[str, str], ...]) -> str:
    """An epilog that click prints as it stands."""
    lines = ["\b", "Examples:"]
    for wanted, typed in pairs:
        lines += [f"  # {wanted}", f"  {typed}"]
    return "\n".join(lines)
