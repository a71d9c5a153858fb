"""The table of entries into the VMM of docs/io-entries.md: `python -m tests.docs.io_entries` prints it anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.techniques.io_models.cells import IO, entries, run

PAGE = Path(__file__).parents[2] / "docs" / "io-entries.md"
TECHNIQUES = ("hvm-ept", "hvm-shadow", "bt", "trap-and-emulate", "pv")
VTX = TECHNIQUES[:2]
UNBATCHED = (("rings.batching", False), ("virtio.suppression", "off"))
POSTED = (("passthrough.interrupts", "posted"),)
NONE = "–"
MODELS: Mapping[str, tuple[str, tuple[tuple[str, str | bool], ...], tuple[str, ...]]] = {
    "emulated": ("emulated", (), TECHNIQUES[:4]),
    "paravirtual": ("paravirtual", (), TECHNIQUES),
    "… without batching": ("paravirtual", UNBATCHED, TECHNIQUES[:4]),
    "passthrough": ("passthrough", (), TECHNIQUES[:4]),
    "… posted": ("passthrough", POSTED, VTX),
}
"""I/O model, knobs and the techniques that have it, by the label in the table."""
UNITS = {
    "disk": (32, "requests"),
    "doorbells": (500, "doorbells"),
    "interrupt-storm": (256, "frames"),
}
FRAMES = (128, "frames")


def units(workload: str) -> tuple[int, str]:
    """How many units of work the workload does in size small, and what they are."""
    kind = workload.split("@")[0]
    return UNITS.get(kind, UNITS["disk"] if kind.startswith("disk-") else FRAMES)


def row(workload: str, label: str) -> str:
    """One row, counted."""
    io, knobs, having = MODELS[label]
    numbers = [
        str(entries(run(technique, f"io/{workload}", io, knobs))) if technique in having else NONE
        for technique in TECHNIQUES
    ]
    work, unit = units(workload)
    each = f"{int(numbers[0]) / work:.2f}"
    return f"| {workload} | {work} {unit} | {label} | {' | '.join(numbers)} | {each} |"


def labels() -> Iterator[tuple[str, str]]:
    """Every row's workload and label."""
    for name in IO:
        yield from ((name.removeprefix("io/"), label) for label in MODELS)


if __name__ == "__main__":
    for workload, label in labels():
        print(row(workload, label))
