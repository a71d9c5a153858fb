"""The generations of VT-x that the model can be configured as."""

from __future__ import annotations

from enum import IntEnum


class FeatureLevel(IntEnum):
    """A generation of VT-x; each level has everything of the levels below it."""

    doc: str

    def __new__(cls, rank: int, doc: str = "") -> FeatureLevel:
        """Make a member from its rank and its meaning."""
        member = int.__new__(cls, rank)
        member._value_ = rank
        member.doc = doc
        return member

    FIRST_GENERATION = (
        0,
        "Prescott and Merom: primary controls with the TPR shadow, no EPT, no VPID",
    )
    EPT = 1, "secondary controls, EPT, APIC-access page, true control capabilities"
    EPT_VPID = 2, "VPID, unrestricted guest, preemption timer: as Westmere has them"
    VIRTUAL_APIC = (
        3,
        "APIC-register virtualization, virtual-interrupt delivery, posted interrupts: as Ivy Bridge-EP has them",
    )

    @property
    def label(self) -> str:
        """The name a user writes: `first-generation`, `ept`, `ept-vpid` or `virtual-apic`."""
        return self.name.lower().replace("_", "-")


BY_LABEL: dict[str, FeatureLevel] = {level.label: level for level in FeatureLevel}
