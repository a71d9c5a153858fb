"""Rules that set costs of any core: from its own rows, or carried from the anchor's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hardware_model.quantity import Kind, Quantity
from results.calibration.cores import ANCHOR, ESTIMATED, Core
from results.calibration.figures import Figure
from results.cost_scales import scale

Costs = dict[str, Quantity]

_NANO = ("ADAMS06", "NetBurst Prescott-2M")
_POPF_SHARE = 0.865
"""POPF checks what PUSHF only stores; the share is that of nehalem's first estimate."""

#: Key: (row of ADAMS06 on the anchor, share of it). Fault delivery and IRET share as 58 to 42.
ANCHORED_MICROCODE: Mapping[str, tuple[str, float]] = {
    "insn.cli": ("cli", 1.0),
    "insn.sti": ("cli", 1.0),
    "insn.syscall": ("nanobench syscall (syscall+sysret round trip)", 0.47),
    "insn.sysret": ("nanobench syscall (syscall+sysret round trip)", 0.53),
    "insn.sysexit": ("nanobench syscall (syscall+sysret round trip)", 0.53),
    "insn.mov_to_cr8": ("nanobench cr8write", 1.0),
    "delivery.exception": ("nanobench divzero", 0.58),
    "insn.iret": ("nanobench divzero", 0.42),
    "trap.delivery": ("nanobench divzero", 1.0),
    "trap.syscall": ("nanobench syscall (syscall+sysret round trip)", 1.0),
}

#: Where the entries of a page walk are found: shares of L1, L2 and what lies behind. Upper levels
#: are few and hot, leaf entries are many; those of EPT are shared by all of a guest's walks.
WALK_SHARES: Mapping[str, tuple[float, float, float]] = {
    "walk.reference.l4": (0.85, 0.15, 0.0),
    "walk.reference.l3": (0.35, 0.65, 0.0),
    "walk.reference.l2": (0.0, 1.0, 0.0),
    "walk.reference.l1": (0.0, 0.9, 0.1),
    "walk.reference.ept.l4": (0.85, 0.15, 0.0),
    "walk.reference.ept.l3": (0.65, 0.35, 0.0),
    "walk.reference.ept.l2": (0.35, 0.65, 0.0),
    "walk.reference.ept.l1": (0.0, 0.95, 0.05),
}
_LARGE_PAGE_MISS = 23.0
"""SEVENCPU, Westmere-EP: a miss of a 1 GiB page, that is walk.start and two references."""


def quantity(value: float, low: float, high: float, kind: Kind, source: str) -> Quantity:
    """A cost in cycles, rounded to what the figures can bear."""
    return Quantity(_rounded(value), _rounded(low), _rounded(high), "cycles", kind, source)


def own_rows(core: Core) -> Costs:
    """Costs that the core's own rows give."""
    rdtsc = core.instruction("RDTSC")
    leaf0, leaf1 = core.instruction("CPUID EAX=0"), core.instruction("CPUID EAX=1")
    pair = core.instruction("PUSHFQ+POPFQ")
    popf, pushf = pair.value * _POPF_SHARE, pair.value * (1 - _POPF_SHARE)
    split = f"{pair.citation}; split between the two"
    mean = (leaf0.value + leaf1.value) / 2
    vmcs = _vmcs_accesses(core)
    return {
        "insn.rdtsc": _within(rdtsc.value, 0.9, 1.1, "measured", rdtsc.citation),
        "insn.cpuid": quantity(
            mean, leaf0.value, leaf1.value, "measured", f"{leaf0.citation}, EAX=1 {leaf1.value:g}"
        ),
        "insn.pushf": _within(pushf, 0.4, 1.8, "calibrated", split),
        "insn.popf": _within(popf, 0.75, 1.15, "calibrated", split),
        **_walks(core),
        "vmx.round_trip": _round_trip(core),
        **vmcs,
        **_invlpg(core),
        **_lookup(core),
        **_non_root(core, vmcs["vmx.vmread"]),
    }


def anchored_microcode(core: Core) -> Costs:
    """System instructions and events measured on the anchor, scaled by `microcode`."""
    costs: Costs = {}
    for key, (benchmark, share) in ANCHORED_MICROCODE.items():
        figure = core.figures.find(*_NANO, benchmark, "native")
        costs[key] = carried(core, figure, share, core.microcode, "microcode", (0.5, 1.8))
    return costs


def carried(
    core: Core,
    figure: Figure,
    share: float,
    ratio: float,
    name: str,
    spread: tuple[float, float],
) -> Quantity:
    """A share of an anchor's figure at a scale; on the anchor itself the range is narrower."""
    part = "" if share == 1 else f" × {share:.3g}"
    if core.preset == ANCHOR:
        return _within(figure.value * share, 0.75, 1.3, "calibrated", figure.citation + part)
    source = f"{figure.citation}{part}, carried by the {name} ratio {ratio:.3f}"
    return _within(figure.value * share * ratio, *spread, "calibrated", source)


def bus(core: Core, microcode: float) -> Costs:
    """Port accesses wait for a bus whose time does not depend on the core's clock."""
    figure = core.figures.find(*_NANO, "nanobench in (port 0x80)", "native")
    value = figure.value * core.frequency / _ANCHOR_HERTZ - microcode
    source = f"{figure.citation} at 3.8 GHz is 0.84 us; less the instruction"
    return {
        "port.read": _within(value, 0.3, 1.5, "calibrated", source),
        "port.write": _within(value, 0.3, 1.5, "estimated", f"{source}; OUT waits as IN does"),
    }


def estimates(
    core: Core, reference: Core, supposed: Mapping[str, Quantity]
) -> Iterator[tuple[str, Quantity]]:
    """What no row gives: nehalem's reasoned numbers, carried by the scale of their kind."""
    for key, cost in supposed.items():
        if core.preset == ESTIMATED:
            yield key, cost
            continue
        name, ratio = _scale(key, core, reference)
        source = f"ESTIMATE: that of nehalem, {cost.value:g} cycles, × {ratio:.3f} ({name})"
        yield (
            key,
            quantity(cost.value * ratio, cost.low * ratio, cost.high * ratio, "estimated", source),
        )


def _scale(key: str, core: Core, reference: Core) -> tuple[str, float]:
    if key == "tlb.l2_hit":
        return "as nehalem", 1.0
    match scale(key):
        case "plain code":
            return "plain code", core.names.plain_code
        case "software":
            return "software", core.software / reference.software
        case _:
            return "microcode", core.microcode / reference.microcode


def _walks(core: Core) -> Costs:
    latencies = [figure.value for figure in core.caches]
    source = f"{core.names.cache_source}: {core.names.caches}, " + ", ".join(
        f"{name} {value:g}"
        for name, value in zip(("L1", "L2", "behind it"), latencies, strict=True)
    )
    costs = {}
    for key, shares in WALK_SHARES.items():
        value = sum(share * latency for share, latency in zip(shares, latencies, strict=True))
        high = latencies[1] * 1.3 if key.endswith(("l4", "l3")) else latencies[1] * 4
        found = f"{source} cycles in shares {shares[0]:g}, {shares[1]:g}, {shares[2]:g}"
        costs[key] = quantity(value, latencies[0], max(high, value), "calibrated", found)
    upper = costs["walk.reference.l4"].value + costs["walk.reference.l3"].value
    start = max(_LARGE_PAGE_MISS * latencies[1] / 10 - upper, 4.0)
    cited = (
        "SEVENCPU: Westmere-EP, 1 GB-page mode TLB miss penalty 23 cycles by the L2 latency's "
        "ratio, less two references"
    )
    return costs | {"walk.start": _within(start, 0.5, 2, "calibrated", cited)}


def _round_trip(core: Core) -> Quantity:
    name = core.names.round_trip
    if name is not None:
        figure = core.figures.find("AGESEN12", name, "hardware VM exit+entry round trip")
        return _within(figure.value, 0.94, 1.1, "measured", figure.citation)
    last = Core("sandybridge", core.figures, core.frequency)
    figure = core.figures.find("AGESEN12", "Sandy Bridge", "hardware VM exit+entry round trip")
    value = figure.value * core.microcode / last.microcode
    source = f"{figure.citation}, the last one published, by the microcode ratio"
    return quantity(value, 0.7 * value, 2.0 * value, "estimated", source)


def _vmcs_accesses(core: Core) -> Costs:
    rows = {
        "vmx.vmread": "Table 1 VMCB read (vmread)",
        "vmx.vmwrite": "Table 1 VMCB write (vmwrite)",
    }
    name = _NANO[1] if core.preset == ANCHOR else "Core (Merom generation)"
    merom = {key: core.figures.find("ADAMS06", name, row) for key, row in rows.items()}
    if core.preset in (ANCHOR, "merom"):
        return {k: _within(f.value, 0.9, 1.1, "measured", f.citation) for k, f in merom.items()}
    first = core.figures.find("AGESEN12", "Merom", "hardware VM exit+entry round trip").value
    ratio = _round_trip(core).value / first
    return {
        k: _within(
            f.value * ratio,
            0.4,
            1.5,
            "calibrated",
            f"{f.citation} by the ratio of the round trips, {ratio:.3f}",
        )
        for k, f in merom.items()
    }


def _invlpg(core: Core) -> Costs:
    """Published for Skylake only."""
    if core.preset != "skylake-sp":
        return {}
    figure = core.figures.find("HANSEN17", "Skylake client", "INVLPG (about)")
    return {"insn.invlpg": _within(figure.value, 0.6, 1.5, "measured", figure.citation)}


def _lookup(core: Core) -> Costs:
    """An indirect transfer by the table: its target waits for three loads in a row."""
    l1 = core.caches[0]
    source = f"{l1.citation}; three loads in a row: the guest's target, the table's tag, its entry"
    return {"bt.lookup_wait": _within(3 * l1.value, 0.33, 2, "calibrated", source)}


def _non_root(core: Core, vmread: Quantity) -> Costs:
    """What silicon looks up in non-root mode without an exit.

    The exception bitmap is a field of the VMCS: one access to it. The virtual-APIC page is ordinary
    memory: its address, its byte and the threshold are three accesses of the first-level cache.
    """
    l1, l2, _ = core.caches
    bitmap = f"{vmread.source}; the exception bitmap is one access to the VMCS"
    page = f"{l1.citation}; three accesses: the page's address, its byte, the threshold"
    return {
        "vmx.exception_check": quantity(vmread.value, l1.value, vmread.high, "calibrated", bitmap),
        "vmx.tpr_shadow": quantity(3 * l1.value, l1.value, 3 * l2.value, "calibrated", page),
    }


def _within(value: float, low: float, high: float, kind: Kind, source: str) -> Quantity:
    return quantity(value, low * value, high * value, kind, source)


def _rounded(number: float) -> float:
    return float(f"{number:.4g}" if abs(number) >= 1000 else f"{number:.3g}")


_ANCHOR_HERTZ = 3.8e9
