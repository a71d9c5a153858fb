"""The costs of a preset as TOML, laid out by component."""

from __future__ import annotations

import json

from hardware_model.cost_table import COSTS
from hardware_model.quantity import Quantity
from results.calibration.rules import Costs

_TABLE = "[costs]\n"
_NOTE = (
    "# Cycles per event of the counters that hardware_model/cost_table.py names.\n"
    "# Written by `python -m results.calibration --write`; numbers of kind estimated are taken from\n"
    "# nehalem.toml, where they may be edited.\n"
)


def with_costs(text: str, costs: Costs) -> str:
    """The preset's text, with its table of costs replaced; the table is the last of the file."""
    head, _, _ = text.partition(_TABLE)
    lines = [
        head.rstrip("\n").removesuffix(_NOTE.rstrip("\n")).rstrip("\n"),
        "",
        _NOTE + _TABLE.rstrip(),
    ]
    component = ""
    for cost in COSTS:
        if cost.key in costs:
            if cost.component != component:
                component = cost.component
                lines += ["", f"# {component[0].upper()}{component[1:]}."]
            lines.append(f"{cost.key} = {_entry(costs[cost.key])}")
    return "\n".join(lines) + "\n"


def _entry(cost: Quantity) -> str:
    numbers = ", ".join(f"{name} = {getattr(cost, name):.15g}" for name in ("value", "low", "high"))
    texts = ", ".join(
        f"{name} = {json.dumps(getattr(cost, name), ensure_ascii=False)}"
        for name in ("unit", "kind", "source")
    )
    return f"{{ {numbers}, {texts} }}"
