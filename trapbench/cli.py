"""The command line. Commands are loaded when they are called, so that `--help` is quick."""

from __future__ import annotations

import importlib
import os
import sys
import traceback

import click

from trapbench import lessons
from trapbench.errors import is_ours, unknown

#: Command name to the module that defines it; the function has the module's name.
_COMMANDS = {
    "list": "trapbench.commands.list_",
    "run": "trapbench.commands.run",
    "fetch": "trapbench.commands.fetch",
    "show": "trapbench.commands.show",
    "plot": "trapbench.commands.plot",
    "report": "trapbench.commands.report",
    "trace": "trapbench.commands.trace",
    "merge": "trapbench.commands.merge",
    "diff": "trapbench.commands.diff",
    "validate": "trapbench.commands.validate",
    "crossover": "trapbench.commands.crossover",
    "claims": "trapbench.commands.claims",
    "sensitivity": "trapbench.commands.sensitivity",
    "compare-host": "trapbench.commands.compare_host",
    "disasm": "trapbench.commands.disasm",
    "advise": "trapbench.commands.advise",
}

EXIT_CELLS_FAILED = 1
EXIT_USER_ERROR = 2
_EXIT_DEFECT = 70
_EXIT_INTERRUPTED = 130


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return lessons.teach(cmd_name, importlib.import_module(_COMMANDS[cmd_name]).command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; SelectionError with the nearest names for one that there is not."""
        if not ctx.resilient_parsing and args[0] not in _COMMANDS and args[0][:1] != "-":
            raise unknown("command", args[0], _COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, none of which has to be loaded for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lessons.LESSONS[name].summary) for name in _COMMANDS])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=lessons.examples(lessons.FIRST_STEPS),
)
@click.version_option(package_name="trapbench")
def trapbench() -> None:
    """Run one x86-64 guest under several virtualization techniques and count every trap.

    Results go to trapbench-runs/; commands that take a result folder use the newest when none is named. `trapbench
    COMMAND --help` explains a command, with examples.
    """


def main() -> None:
    """Run the command line and end the process with its status."""
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: list[str]) -> int:
    """Run one command; return its exit status. Every error has been printed as one sentence."""
    try:
        status = trapbench.main(arguments, prog_name="trapbench", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return EXIT_USER_ERROR
    except click.ClickException as error:
        return _fail(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        click.echo("trapbench: interrupted", err=True)
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}")
    except Exception as error:
        return _fail(str(error)) if is_ours(error) else _defect()


def _fail(message: str) -> int:
    click.echo(f"trapbench: {' '.join(message.split())}", err=True)
    return EXIT_USER_ERROR


def _defect() -> int:
    click.echo(traceback.format_exc(), err=True, nl=False)
    click.echo("trapbench: this is a defect of trapbench; please report the lines above", err=True)
    return _EXIT_DEFECT
