"""The CPUID policy: the machine advertises what works on it and nothing else.

No AVX, XSAVE, PCID, MTRR, MONITOR, SYSENTER, VMX or x2APIC: the engine lacks them or the model does
not offer them. A leaf above the highest one of its range answers as the highest basic leaf does
(Intel SDM vol. 2A, CPUID).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

Register = Literal["eax", "ebx", "ecx", "edx"]
Registers = tuple[int, int, int, int]
"""EAX, EBX, ECX and EDX, in this order."""

VENDOR = b"trapbenchx86"
BRAND = b"trapbench model processor"
FAMILY, MODEL, STEPPING = 6, 26, 5  # Nehalem's, the default geometry
PHYSICAL_ADDRESS_BITS = 40
LINEAR_ADDRESS_BITS = 48

MAXIMUM_BASIC_LEAF = 7
MAXIMUM_EXTENDED_LEAF = 0x8000_0008
HYPERVISOR_LEAF = 0x4000_0000
_CLFLUSH_LINE_QUADWORDS = 8


@dataclass(frozen=True, slots=True)
class Feature:
    """One advertised feature flag: CPUID.`leaf`:`register`[`bit`]."""

    name: str
    leaf: int
    register: Register
    bit: int


def _features(leaf: int, register: Register, bits: dict[str, int]) -> list[Feature]:
    return [Feature(name, leaf, register, bit) for name, bit in bits.items()]


FEATURES: tuple[Feature, ...] = (
    *_features(
        1,
        "edx",
        {
            "fpu": 0,
            "de": 2,
            "pse": 3,
            "tsc": 4,
            "msr": 5,
            "pae": 6,
            "cx8": 8,
            "apic": 9,
            "pge": 13,
            "cmov": 15,
            "pat": 16,
            "pse36": 17,
            "clflush": 19,
            "mmx": 23,
            "fxsr": 24,
            "sse": 25,
            "sse2": 26,
        },
    ),
    *_features(
        1, "ecx", {"sse3": 0, "ssse3": 9, "cx16": 13, "sse4_1": 19, "sse4_2": 20, "popcnt": 23}
    ),
    *_features(7, "ebx", {"smep": 7, "smap": 20}),
    *_features(0x8000_0001, "ecx", {"lahf_lm": 0}),
    *_features(
        0x8000_0001, "edx", {"syscall": 11, "nx": 20, "pdpe1gb": 26, "rdtscp": 27, "lm": 29}
    ),
    *_features(0x8000_0007, "edx", {"constant_tsc": 8}),
)

HYPERVISOR_PRESENT = Feature("hypervisor", 1, "ecx", 31)


class CpuidError(ValueError):
    """A policy that cannot be; the message names the feature or the signature."""


@dataclass(frozen=True, slots=True)
class CpuidPolicy:
    """What CPUID answers to one guest.

    `without` names features of `FEATURES` that are hidden. `hypervisor` is the 12-byte signature of
    a VMM that shows itself in leaf 40000000H and in the hypervisor bit; None, the default, hides
    it. Raises CpuidError.
    """

    without: frozenset[str] = frozenset()
    hypervisor: bytes | None = None

    def __post_init__(self) -> None:
        known = {feature.name for feature in FEATURES}
        if unknown := sorted(self.without - known):
            raise CpuidError(f"CPUID feature {unknown[0]!r} is not one that the machine has")
        if self.hypervisor is not None and len(self.hypervisor) != 12:
            raise CpuidError(f"hypervisor signature {self.hypervisor!r} does not have 12 bytes")

    def has(self, feature: str) -> bool:
        """Whether `feature` is advertised."""
        return any(f.name == feature for f in FEATURES) and feature not in self.without

    def flags(self, leaf: int, register: Register) -> int:
        """The feature bits of one register of one leaf."""
        bits = 0
        for feature in FEATURES:
            if (feature.leaf, feature.register) == (leaf, register):
                bits |= (feature.name not in self.without) << feature.bit
        if self.hypervisor is not None and (leaf, register) == (1, "ecx"):
            bits |= 1 << HYPERVISOR_PRESENT.bit
        return bits

    def cpuid(self, leaf: int, subleaf: int = 0) -> Registers:
        """The answer to CPUID with EAX = `leaf` and ECX = `subleaf`."""
        if self.hypervisor is not None and leaf == HYPERVISOR_LEAF:
            return (HYPERVISOR_LEAF, *struct.unpack("<3I", self.hypervisor))
        if not _in_range(leaf):
            leaf = MAXIMUM_BASIC_LEAF
        match leaf:
            case 0:
                b, d, c = struct.unpack("<3I", VENDOR)
                return MAXIMUM_BASIC_LEAF, b, c, d
            case 1:
                ebx = _CLFLUSH_LINE_QUADWORDS << 8 | 1 << 16
                return _signature(), ebx, self.flags(1, "ecx"), self.flags(1, "edx")
            case 7:
                return (0, self.flags(7, "ebx"), 0, 0) if subleaf == 0 else (0, 0, 0, 0)
            case 0x8000_0000:
                return MAXIMUM_EXTENDED_LEAF, 0, 0, 0
            case 0x8000_0001 | 0x8000_0007:
                return 0, 0, self.flags(leaf, "ecx"), self.flags(leaf, "edx")
            case 0x8000_0002 | 0x8000_0003 | 0x8000_0004:
                a, b, c, d = struct.unpack_from(
                    "<4I", BRAND.ljust(48, b"\0"), 16 * (leaf & 15) - 32
                )
                return a, b, c, d
            case 0x8000_0008:
                return PHYSICAL_ADDRESS_BITS | LINEAR_ADDRESS_BITS << 8, 0, 0, 0
        return 0, 0, 0, 0


def _in_range(leaf: int) -> bool:
    return leaf <= MAXIMUM_BASIC_LEAF or 0x8000_0000 <= leaf <= MAXIMUM_EXTENDED_LEAF


def _signature() -> int:
    """Family, model and stepping as leaf 1 returns them in EAX."""
    return FAMILY << 8 | (MODEL >> 4) << 16 | (MODEL & 15) << 4 | STEPPING


DEFAULT = CpuidPolicy()


def cpuid(leaf: int, subleaf: int = 0) -> Registers:
    """The default policy's answer to CPUID with EAX = `leaf` and ECX = `subleaf`."""
    return DEFAULT.cpuid(leaf, subleaf)
