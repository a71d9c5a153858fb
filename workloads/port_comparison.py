"""The native kernel beside the one ported to Xen's interface, function by function."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from hardware_model.disassembly import Line, Passage, Symbols, disassemble
from workloads.image import Image
from workloads.workload import Workload


def passages(workload: Workload) -> Iterator[Passage]:
    """Functions whose instructions differ; what only one kernel has stands alone on its side."""
    native, ported = _functions(workload.image()), _functions(workload.image(pv=True))
    for name in (*native, *(name for name in ported if name not in native)):
        before, after = native.get(name, []), ported.get(name, [])
        if _texts(before) != _texts(after):
            yield Passage(name, tuple(_rows(before, after)))


def _functions(image: Image) -> dict[str, list[Line]]:
    """Instructions of the kernel's code by function; branches inside a function have no target's address."""
    code_end = image.symbols["kernel_end"]
    name = _Names(image, code_end)
    starts = sorted(
        {at: n for n, at in image.symbols.items() if image.base <= at < code_end}.items()
    )
    ends = [address for address, _ in starts[1:]] + [code_end]
    return {
        function: disassemble(image.code[at - image.base : end - image.base], at, name)
        for (at, function), end in zip(starts, ends, strict=True)
    }


class _Names(Symbols):
    """Symbols; an address inside a function is `function+...`, since it is another in each kernel."""

    def __init__(self, image: Image, code_end: int) -> None:
        super().__init__(image.symbols, image.base, image.base + len(image.code))
        self._code_end = code_end

    def __call__(self, address: int) -> str | None:
        found = super().__call__(address)
        return (
            found.partition("+")[0] + "+..."
            if found and "+" in found and address < self._code_end
            else found
        )


def _rows(
    before: list[Line], after: list[Line]
) -> Iterator[tuple[tuple[Line, ...], tuple[Line, ...]]]:
    matcher = SequenceMatcher(None, _texts(before), _texts(after), autojunk=False)
    for _, left, left_end, right, right_end in matcher.get_opcodes():
        yield tuple(before[left:left_end]), tuple(after[right:right_end])


def _texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]
