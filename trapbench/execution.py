"""Running one cell, in a worker process."""

from __future__ import annotations

import contextlib
import time
import traceback
from dataclasses import replace

import techniques
import workloads
from hardware_model.executor import self_test
from hardware_model.executor.build import UnsupportedEngine
from results.finished import CONSOLE_TAIL, FAILED, SKIPPED, Finished, HotExit
from results.planned import Planned
from trapbench.errors import is_ours


def prepare() -> None:
    """Load what every cell needs; if that cannot be, the cells will say why."""
    with contextlib.suppress(UnsupportedEngine):
        self_test.check()


def execute(planned: Planned) -> Finished:
    """Run the cell; whatever goes wrong in it becomes a finished cell with a reason."""
    started = time.perf_counter()
    finished = _observe(planned)
    return replace(finished, host_seconds=time.perf_counter() - started)


def _observe(planned: Planned) -> Finished:
    try:
        return _finished(planned, _run(planned))
    except techniques.Skipped as skipped:
        return Finished(planned.cell, planned.key, SKIPPED, str(skipped))
    except Exception as error:
        kind, notes = ("", "") if is_ours(error) else (_kind(error), traceback.format_exc())
        reason = " ".join(f"{kind}{error}".split())
        return Finished(planned.cell, planned.key, FAILED, reason, notes=notes)


def _kind(error: Exception) -> str:
    return f"defect of the model, {type(error).__name__}: "


def _run(planned: Planned) -> techniques.Outcome:
    cell = planned.cell
    workload = workloads.find(planned.source)
    return techniques.run_guest(
        technique=cell.technique,
        workload=workload,
        size=cell.size,
        io=cell.io,
        knobs=cell.knob_values,
        geometry=cell.geometry,
        budget=planned.budget,
    )


def _finished(planned: Planned, outcome: techniques.Outcome) -> Finished:
    console = outcome.console.decode(errors="replace")
    return Finished(
        cell=planned.cell,
        key=planned.key,
        status=outcome.status,
        reason=_reason(outcome, console),
        guest_status=outcome.guest_status,
        digest=outcome.digest,
        outcome=dict(outcome.outcome_parts),
        counters=_scopes(outcome),
        instructions=int(outcome.instructions),
        console=console[-CONSOLE_TAIL:],
        hot_exits=tuple(HotExit(r, int(rip), s, int(n)) for r, rip, s, n in outcome.hot_exits),
        notes="\n".join(outcome.notes),
    )


def _reason(outcome: techniques.Outcome, console: str) -> str:
    """The outcome's reason, with a failed guest's last words: a kernel's panic says why."""
    words = [line.strip() for line in console.splitlines() if line.strip()]
    if outcome.status != FAILED or not words:
        return outcome.reason
    return f"{outcome.reason}; its last words: {words[-1]}"


def _scopes(outcome: techniques.Outcome) -> dict[str, dict[str, int]]:
    own = {"roi": outcome.counters_roi, "total": outcome.counters_total}
    return {name: _plain(values) for name, values in (own | outcome.counters_elsewhere).items()}


def _plain(counters: dict[str, int]) -> dict[str, int]:
    return {name: int(value) for name, value in counters.items()}
