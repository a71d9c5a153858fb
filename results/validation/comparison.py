"""Each published row beside its prediction, and whether techniques come out in the published order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import pandas as pd

from results import published
from results.calibration.figures import geometric_mean
from results.cell import NATIVE
from results.run import Run
from results.validation import own as own_rows
from results.validation import reasons
from results.validation.experiments import CANNOT_RUN, EXPERIMENTS, KNOBS, Experiment
from results.validation.measured import DEFAULT_KNOBS, Measured, Pair

PREDICTED, BASELINE, PENDING, CANNOT = "predicted", "baseline", "pending", "cannot run"
_TIE = 0.05
_MISS = 0.15
_KEYS = ["source_id", "benchmark"]
_OVER_NATIVE = ("times native", "latency")
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True)
class _Prediction:
    status: str
    value: float = math.nan
    reason: str = ""
    ran: str = ""


def compare(
    runs: Sequence[Run], preset: str | None = None, own: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row per published figure.

    Columns beside the published ones: `quantity` (what is compared), `status`, `expected` (the
    published value as that quantity), `predicted`, `ratio` (predicted over expected), `added` (of a
    latency: the same ratio of what comes on top of the native time), `untouched` (no row of that
    benchmark was used in calibration), `ran` (the workload, if it is one), `ordering` (reproduced, not
    reproduced or empty) and `reason` (why there is no prediction, or how suite and paper differ). `preset`
    replaces every row's own; `own` are a user's rows, added to the published ones.
    """
    rows = published.validation()
    if own is not None:
        rows = pd.concat([rows, own], ignore_index=True)
    measured = Measured(runs)
    natives = _natives(rows)
    touched = set(map(tuple, published.calibration()[_KEYS].to_numpy()))
    table = [_compare(row, measured, natives, preset) for row in rows.to_dict("records")]
    frame = pd.concat([rows, pd.DataFrame(table, index=rows.index)], axis=1)
    frame["untouched"] = [tuple(key) not in touched for key in rows[_KEYS].to_numpy()]
    frame = frame.assign(ordering=_orderings(frame, measured, natives, preset))
    hit = ((frame["ratio"] - 1).abs() <= _MISS) & (frame["ordering"] != "not reproduced")
    return frame.assign(reason=frame["reason"].mask(hit, ""))


def median_error(table: pd.DataFrame, column: str = "ratio") -> float:
    """The median of |ratio - 1| over predicted rows; NaN when there are none."""
    found = table[table["status"] == PREDICTED]
    return float((found[column] - 1).abs().median())


def _natives(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Native values by source and benchmark, those that calibration has seen included."""
    both = pd.concat([published.calibration(), rows])
    native = both[both["technique"] == NATIVE]
    return {
        (row["source_id"], row["benchmark"]): float(row["value"])
        for row in native.to_dict("records")
    }


def _compare(
    row: Mapping[Any, Any],
    measured: Measured,
    natives: dict[tuple[str, str], float],
    preset: str | None,
) -> dict[str, object]:
    source, benchmark, technique = (str(row[k]) for k in ("source_id", "benchmark", "technique"))
    experiment = _experiment(row)
    if experiment is None:
        why = CANNOT_RUN.get(source, {}).get(benchmark, "no workload is declared for it")
        return _row("", _Prediction(CANNOT, reason=why), math.nan)
    value, unit = float(str(row["value"])), str(row["unit"])
    if technique == NATIVE and experiment.quantity in _OVER_NATIVE:
        base = value if experiment.quantity == "latency" else 1.0
        return _row(experiment.quantity, _Prediction(BASELINE, base), base)
    native = natives.get((source, benchmark))
    expected = _expected(experiment, value, unit, native)
    prices = preset or experiment.preset
    found = _predict_best(experiment, measured, technique, prices, source)
    if experiment.quantity == "latency" and found.status == PREDICTED:
        found = _on_top(found, experiment, native, unit)
    if found.status == PREDICTED:
        found = replace(found, reason=reasons.reason(source, benchmark, technique))
    added = math.nan
    if experiment.quantity == "latency" and native is not None and expected != native:
        added = (found.value - native) / (expected - native)
    return _row(experiment.quantity, found, expected) | {"added": added}


def _on_top(
    found: _Prediction, experiment: Experiment, native: float | None, unit: str
) -> _Prediction:
    """From cycles that come on top of one operation to the published latency."""
    if native is None or unit not in _SECONDS:
        why = f"a latency needs a native row, and one of the units {', '.join(_SECONDS)}"
        return _Prediction(CANNOT, reason=why)
    seconds = experiment.count * found.value / experiment.clock
    return replace(found, value=native + seconds / _SECONDS[unit])


def _experiment(row: Mapping[Any, Any]) -> Experiment | None:
    """The experiment that is declared for a row, or that the row names itself."""
    return EXPERIMENTS.get(row["source_id"], {}).get(row["benchmark"]) or own_rows.experiment(row)


def _expected(experiment: Experiment, value: float, unit: str, native: float | None) -> float:
    if experiment.quantity != "times native":
        return value
    if unit == "%":
        return 1 + value / 100
    return math.nan if native is None else value / native


def _predict(
    experiment: Experiment,
    measured: Measured,
    technique: str,
    preset: str,
    knobs: str = DEFAULT_KNOBS,
) -> _Prediction:
    base = "hvm-shadow" if experiment.quantity == "gain" else NATIVE
    values = []
    for workload in (*experiment.workloads, *filter(None, [experiment.less])):
        pair = measured.pair(workload, technique, base, preset, knobs)
        if pair is None:
            why = measured.why_not(workload, technique, base, preset)
            return _Prediction(PENDING, reason=why)
        values.append(_quantity(experiment, pair))
    ran = " ".join(experiment.workloads) if len(experiment.workloads) == 1 else ""
    return _Prediction(PREDICTED, _combined(experiment, values), ran=ran)


def _predict_best(
    experiment: Experiment, measured: Measured, technique: str, preset: str, source: str
) -> _Prediction:
    """By the cells that are most like the paper's: on Linux, and with the knobs of its VMM."""
    wanted = KNOBS.get((source, technique), DEFAULT_KNOBS)
    found = _Prediction(PENDING)
    for alternative in experiment.alternatives():
        for knobs in dict.fromkeys((wanted, DEFAULT_KNOBS)):
            found = _predict(alternative, measured, technique, preset, knobs)
            if found.status == PREDICTED:
                return found
    return found


def _combined(experiment: Experiment, values: list[float]) -> float:
    if experiment.less:
        return values[0] - values[1]
    if experiment.quantity == "gain":
        return max(values)
    return geometric_mean(values) if len(values) > 1 else values[0]


def _quantity(experiment: Experiment, pair: Pair) -> float:
    if experiment.quantity == "gain":
        return 100 * (pair.base / pair.found - 1)
    if experiment.quantity == "times native":
        return pair.found / pair.base
    operations = pair.operations(experiment.operation) / experiment.events
    cycles = pair.found - (pair.base if experiment.quantity == "latency" else 0.0)
    return cycles / operations if operations else math.nan


def _row(quantity: str, prediction: _Prediction, expected: float) -> dict[str, object]:
    return {
        "quantity": quantity,
        "status": prediction.status,
        "expected": expected,
        "predicted": prediction.value,
        "ratio": math.nan if prediction.status == BASELINE else prediction.value / expected,
        "added": math.nan,
        "ran": prediction.ran,
        "reason": prediction.reason,
    }


def _orderings(
    table: pd.DataFrame,
    measured: Measured,
    natives: dict[tuple[str, str], float],
    preset: str | None,
) -> list[str]:
    """For each row, whether its benchmark's techniques come in the published order."""
    verdicts: dict[tuple[str, str], str] = {}
    usable = table[table["status"].isin([PREDICTED, BASELINE]) & (table["quantity"] != "gain")]
    for _, rows in usable.groupby(_KEYS):
        source, benchmark = str(rows["source_id"].iloc[0]), str(rows["benchmark"].iloc[0])
        pairs = [(float(e), float(p)) for e, p in rows[["expected", "predicted"]].to_numpy()]
        experiment = _experiment(rows.iloc[0].to_dict())
        assert experiment is not None  # the rows have been predicted by it
        if NATIVE not in set(rows["technique"]):
            pairs += _native_pair(experiment, measured, natives.get((source, benchmark)), preset)
        verdicts[source, benchmark] = _verdict(pairs)
    return [verdicts.get((s, b), "") for s, b in table[_KEYS].to_numpy()]


def _native_pair(
    experiment: Experiment, measured: Measured, published_: float | None, preset: str | None
) -> list[tuple[float, float]]:
    if experiment.quantity == "times native":
        return [(1.0, 1.0)]
    if experiment.quantity == "latency":
        return [] if published_ is None else [(published_, published_)]
    found = _predict(experiment, measured, NATIVE, preset or experiment.preset)
    return [] if published_ is None or found.status != PREDICTED else [(published_, found.value)]


def _verdict(pairs: list[tuple[float, float]]) -> str:
    """Published values that are within 5 % of each other are in no order."""
    ordered = [
        (first, second)
        for first, second in combinations(sorted(pairs), 2)
        if second[0] > first[0] * (1 + _TIE)
    ]
    if not ordered:
        return ""
    right = all(second[1] > first[1] for first, second in ordered)
    return "reproduced" if right else "not reproduced"
