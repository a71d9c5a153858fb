"""Costs of a VMM's remapping driver: from measurements of an IOMMU driver, carried to other cores.

Making and clearing entries is software; waiting for an invalidation is the unit's time, whatever the core's clock is.
"""

from __future__ import annotations

from collections.abc import Mapping

from hardware_model.quantity import Quantity
from results.calibration.cores import Core
from results.calibration.rules import Costs, quantity

MEASURED_ON = "sandybridge"
_HERTZ = 3.1e9
_STRICT = "native (IOMMU strict)"
_SOFTWARE: Mapping[str, str] = {
    "iommu.map": "netperf stream IOMMU driver, map: page table",
    "iommu.unmap": "netperf stream IOMMU driver, unmap: page table",
}
_INVALIDATION = "netperf stream IOMMU driver, unmap: IOTLB invalidation"
_SPREAD = (0.5, 1.6)


def driver(core: Core, measured: Core) -> Costs:
    """The driver's costs on `core`; `measured` is the core of the published rows."""
    ratio = core.software / measured.software
    costs = {key: _carried(core, row, ratio, "software") for key, row in _SOFTWARE.items()}
    clock = core.frequency / _HERTZ
    return costs | {"iommu.invalidate": _carried(core, _INVALIDATION, clock, "clock")}


def _carried(core: Core, row: str, ratio: float, name: str) -> Quantity:
    figure = core.figures.find("RIOMMU15", "Sandy Bridge", row, _STRICT)
    value, source = figure.value, figure.citation
    if core.preset != MEASURED_ON:
        value, source = value * ratio, f"{source}, carried by the {name} ratio {ratio:.3f}"
    low, high = _SPREAD
    return quantity(value, low * value, high * value, "calibrated", source)
