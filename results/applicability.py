"""Which cells a preset can price: a processor without EPT has no costs of EPT."""

from __future__ import annotations

import pandas as pd

from hardware_model.preset_schema import lacks_ept
from hardware_model.presets import Preset
from results.cell import IDENTITY

#: Counters that only a machine with EPT has.
_OF_EPT = ("walk.reference.ept.", "psc.ept.", "ept.", "walk.ept_", "exit.ept_")


def inapplicable(counters: pd.DataFrame, preset: Preset) -> dict[tuple[str, ...], str]:
    """Cells, by the values of their identity, that the preset cannot price, each with the reason.

    What a cell needs is seen in its counters of any scope, not known from its technique's name.
    """
    if not lacks_ept(preset.vmx):
        return {}
    of_ept = counters[counters["counter"].str.startswith(_OF_EPT) & (counters["value"] > 0)]
    cells = of_ept[list(IDENTITY)].drop_duplicates()
    reason = f"it used EPT, which {preset.title} does not have"
    return {tuple(cell): reason for cell in cells.to_numpy()}
