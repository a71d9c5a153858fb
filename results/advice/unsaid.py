"""What a profile does not say and might change the answer: activities that it does not name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hardware_model.presets import Preset
from results import costs
from results.advice.activities import ACTIVITIES
from results.advice.overhead import Observed, Turn, Verdict
from results.costs import Matrix
from results.errors import ResultsError
from results.run import Run


def turns(
    run: Run, rates: Mapping[str, float], preset: Preset, ranked: Sequence[Verdict]
) -> list[Turn]:
    """For each activity that the profile leaves out, and the run shows: the rate from which on another technique is
    as good as the best; none for those of which no rate would do it.
    """
    best, *others = [v for v in ranked if v.parts is not None]
    found = []
    for activity in ACTIVITIES:
        if rates.get(activity.name):
            continue
        per_event = _per_event(run, activity.name, preset, [best, *others])
        levels = [
            Turn(activity.name, (other.share - best.share) / saved, other.technique)
            for other in others
            if (saved := per_event.get(best.technique, 0.0) - per_event.get(other.technique, 1.0))
            > 0
        ]
        if levels:
            found.append(min(levels, key=lambda turn: turn.rate))
    return found


def _per_event(
    run: Run, activity: str, preset: Preset, among: Sequence[Verdict]
) -> dict[str, float]:
    """Seconds of a processor that one event takes beyond native, by technique; none where the run lacks the cells."""
    observed = Observed(run, {activity: 1.0}, preset)
    try:
        extras = {v.technique: observed.extra(v.technique) for v in among}
    except ResultsError:
        return {}
    vector, second = costs.vector(preset), preset.frequency.value
    return {n: _total(e @ vector) / second for n, e in extras.items() if not isinstance(e, str)}


def _total(amounts: Matrix) -> float:
    return float(amounts.sum())
