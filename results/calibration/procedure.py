"""The costs of every preset, from the published rows, nehalem's estimates and one run's counters."""

from __future__ import annotations

from collections.abc import Mapping

from hardware_model import presets
from hardware_model.cost_table import KEYS
from hardware_model.preset_schema import lacks_ept, needs_ept
from hardware_model.quantity import Quantity
from results import published
from results.calibration import anchor, remapping, rules
from results.calibration.cores import ANCHOR, CORES, ESTIMATED, Core
from results.calibration.figures import Figure, Figures
from results.calibration.observed import Observed
from results.calibration.rules import Costs
from results.run import Run


class Procedure:
    """Calibrates presets; `run` holds the nanobenchmarks, counted with the anchor's geometry."""

    def __init__(self, run: Run) -> None:
        figures = Figures(published.calibration())
        self._observed = Observed(run)
        self._reference = presets.load(ESTIMATED)
        self._cores = {
            name: Core(name, figures, presets.load(name).frequency.value) for name in CORES
        }
        self._lengths = self._path_lengths()

    def costs(self, preset: str) -> Costs:
        """Every cost of a preset, in the order of the cost table; none of EPT where there is none."""
        core = self._cores[preset]
        found = self._costs(core, self._lengths)
        if preset == ANCHOR:
            found |= anchor.calls(core, self._observed, _values(found))
        absent = lacks_ept(presets.load(preset).vmx)
        return {key: found[key] for key in KEYS if not (absent and needs_ept(key))}

    def _path_lengths(self) -> dict[str, Figure]:
        core = self._cores[ANCHOR]
        lengths = anchor.from_rows(core)
        # Those that are solved for last are there with any value while the rest is collected.
        unsolved = [key for key, *_ in anchor.SOLVED]
        unknown = dict.fromkeys(unsolved, Figure(0.0, "not yet known"))
        known = _values(self._costs(core, lengths | unknown))
        return lengths | anchor.from_counts(core, self._observed, known)

    def _costs(self, core: Core, lengths: Mapping[str, Figure]) -> Costs:
        ruled = rules.own_rows(core) | rules.anchored_microcode(core)
        ruled |= anchor.software(core, lengths)
        ruled |= remapping.driver(core, self._cores[remapping.MEASURED_ON])
        supposed = self._supposed(set(ruled))
        found = dict(rules.estimates(core, self._cores[ESTIMATED], supposed)) | ruled
        return found | rules.bus(core, found["insn.in"].value)

    def _supposed(self, ruled: set[str]) -> dict[str, Quantity]:
        return {key: cost for key, cost in self._reference.costs.items() if key not in ruled}


def _values(costs: Costs) -> dict[str, float]:
    return {key: cost.value for key, cost in costs.items()}
