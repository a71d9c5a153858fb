"""A profile's memory footprint beside the reach of a processor's TLBs: whether misses are to be reckoned with.

How often a TLB misses depends on how memory is used, so a footprint gives no rate; it tells whether one is needed.
"""

from __future__ import annotations

from collections.abc import Mapping

from hardware_model.presets import Preset

_PAGE, _SIZE = 4 << 10, "4k"
_MISSES = "tlb-misses"
_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def reach(preset: Preset) -> int:
    """Bytes that the largest TLB of the processor translates on pages of 4 KiB."""
    arrays = (*preset.geometry.l1d, *preset.geometry.l2)
    return max(array.entries for array in arrays if _SIZE in array.sizes) * _PAGE


def sentence(footprint: int, rates: Mapping[str, float], preset: Preset) -> str:
    """What the footprint says about TLB misses on this processor; nothing where the profile has their rate."""
    if rates.get(_MISSES):
        return ""
    within = reach(preset)
    if footprint <= within:
        return (
            f"a footprint of {_text(footprint)} lies within the reach of its TLB ({_text(within)}): "
            "few misses are to be expected"
        )
    return (
        f"a footprint of {_text(footprint)} is beyond the reach of its TLB ({_text(within)}), where EPT pays for "
        f"each miss: add {_MISSES} to the profile (`perf stat -e dTLB-load-misses`)"
    )


def _text(size: int) -> str:
    factor, unit = next((u for u in _UNITS if size >= u[0]), (1, "bytes"))
    return f"{size / factor:,.4g} {unit}"
