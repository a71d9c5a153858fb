"""`trapbench run`: run a matrix of cells into a result folder."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from results.finished import Finished
    from results.planned import Planned
    from results.run import Runs
    from trapbench.selection import Selection


#: Troubled cells that are named at the end of a run.
_NAMED = 20


@click.command("run")
@click.option("--technique", "techniques", multiple=True, metavar="T", help="Repeatable; all.")
@click.option(
    "--workload",
    "workloads",
    multiple=True,
    metavar="W|FILE",
    help="A workload, a family of them, or a file of your own. Repeatable; all.",
)
@click.option(
    "--io", multiple=True, metavar="M", help="I/O model. Repeatable; all where it matters."
)
@click.option("--size", metavar="S", help="small (the default), standard or large.")
@click.option("--geometry", metavar="P", help="Preset whose TLBs and caches are modelled; nehalem.")
@click.option(
    "--set", "settings", multiple=True, metavar="KNOB=VALUE", help="Also TECHNIQUE.KNOB=VALUE."
)
@click.option(
    "--beside",
    multiple=True,
    metavar="TECHNIQUE:WORKLOAD",
    help="Another VM on the same machine. Repeatable; native cells stay alone.",
)
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="NAME=A,B",
    help="Knob, parameter, size or geometry; also A..B+S and A..B*F. Repeatable: all combinations.",
)
@click.option("--budget", type=click.IntRange(1), help="Guest instructions a cell may execute.")
@click.option(
    "--kernel", type=click.Path(path_type=Path), help="A Linux kernel (bzImage or ELF) to boot."
)
@click.option("--initrd", type=click.Path(path_type=Path), help="Its initial ramdisk.")
@click.option("--append", metavar="TEXT", help="Its command line; console=ttyS0 shows it.")
@click.option("--jobs", type=click.IntRange(1), help="Worker processes; one per processor.")
@click.option(
    "--timeout", type=click.FloatRange(1), help="Seconds after which a cell is hung; 900."
)
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster, or `local`.")
@click.option("--no-cache", is_flag=True, help="Run cells that were run before in another folder.")
@click.option("--out", type=click.Path(path_type=Path), help="trapbench-runs/<UTC time>.")
@click.option("--resume", is_flag=True, help="Run only what the folder (--out or newest) misses.")
def command(
    jobs: int | None,
    timeout: float | None,
    scheduler: str | None,
    no_cache: bool,
    out: Path | None,
    resume: bool,
    **selecting: Any,
) -> int:
    """Run techniques over workloads, compare each cell with native, and store what was counted.

    Without a selection this is the whole matrix at size small, on our own guest kernel; `--workload linux` runs the
    programs for Linux on the kernel that `trapbench fetch linux` got or that --kernel names, and --kernel alone boots
    that one with --initrd and --append. The exit status is 1 when a cell
    failed or diverged that should not have.
    """
    from trapbench.worker_pool import ENTRY, Worker

    first = None if scheduler else Worker(ENTRY)  # loads while this process does

    from results import folder
    from trapbench import harness
    from trapbench.cell_cache import CellCache

    path = out or (folder.newest() if resume else folder.default_path())
    selection = _selection(selecting, resume)
    if selection is None and not path.exists():
        raise click.UsageError(f"there is nothing to resume: {path} does not exist")
    cache = None if no_cache else CellCache.of_user()
    harness.run_matrix(
        path,
        selection,
        command=shlex.join(["trapbench", *sys.argv[1:]]),
        jobs=jobs,
        timeout=timeout or harness.TIMEOUT,
        resume=resume,
        watch=_watch,
        scheduler=scheduler,
        cache=cache,
        first=first,
    )
    from results.run import Runs

    return _report(Runs.load(path), cache.found if cache else 0)


def _watch(missing: Sequence[Planned], finished: Iterator[Finished]) -> Iterator[Finished]:
    """Show progress. What the report needs is loaded meanwhile, while the workers run the first cells."""
    from trapbench import progress

    Thread(target=import_module, args=("results.run",), daemon=True).start()
    yield from progress.watch(missing, finished)


def _selection(selecting: dict[str, Any], resume: bool) -> Selection | None:
    """The selection, or None when a run is resumed without a new one."""
    given = {name: value for name, value in selecting.items() if value not in (None, ())}
    if resume and not given:
        return None
    from trapbench import knob_settings, sweep
    from trapbench.selection import Selection

    if "kernel" not in given and not given.keys().isdisjoint({"initrd", "append"}):
        raise click.UsageError("--initrd and --append go with a --kernel")
    for file in ("kernel", "initrd"):
        if file in given:
            given[file] = str(given[file].resolve())
    given["knobs"] = knob_settings.parse(given.pop("settings", ()))
    if beside := given.pop("beside", ()):
        given["knobs"]["beside"] = ",".join(beside)
    given["sweeps"] = sweep.parse(given.pop("sweeps", ()))
    return Selection(**given)


def _report(run: Runs, known: int) -> int:
    """Print the verdicts; return 1 when any is not what the workload declares."""
    from trapbench import views

    counts = Counter(run.runs["status"])
    summary = ", ".join(f"{number} {status}" for status, number in counts.most_common())
    cells = "1 cell" if len(run.runs) == 1 else f"{len(run.runs)} cells"
    cached = f"; {known} were known, --no-cache runs them again" if known else ""
    click.echo(f"{cells}: {summary}; stored in {run.path}{cached}")
    unexpected = run.unexpected()
    for line in views.sentences(unexpected.head(_NAMED)):
        click.secho(line.plain, fg="red", err=True)
    if len(unexpected) > _NAMED:
        more = len(unexpected) - _NAMED
        click.secho(f"and {more} more; `trapbench show` names them", fg="red", err=True)
    return 1 if len(unexpected) else 0
