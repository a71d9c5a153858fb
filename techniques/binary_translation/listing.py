"""What stands in the translation cache, beside the guest code it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hardware_model.boot import KERNEL_BASE
from hardware_model.disassembly import Line, Names, Passage, Symbols, disassemble
from techniques.binary_translation.layout import (
    PORT_ASKS,
    PORT_VALUES,
    PORTS,
    REGION,
    STATE,
    STATE_FIELDS,
)
from techniques.binary_translation.unit import Kind, Unit

if TYPE_CHECKING:
    from techniques.binary_translation.vmm import BinaryTranslation

_STATE_NAMES = {REGION + STATE + offset: f"state.{name}" for name, offset in STATE_FIELDS.items()}
_PORT_TABLES = {REGION + PORT_ASKS: "port_asks", REGION + PORT_VALUES: "port_values"}


def _state_name(address: int) -> str | None:
    table = _PORT_TABLES.get(address & -PORTS)
    return f"{table}+{address % PORTS:#x}" if table else _STATE_NAMES.get(address)


def passages(vmm: BinaryTranslation) -> Iterator[Passage]:
    """Every unit that can be found in the cache, by guest address."""
    image = vmm.image
    units = [unit for space in vmm.cache.spaces for unit in space.units.values()]
    guest = Symbols(image.symbols, KERNEL_BASE, KERNEL_BASE + image.ram_bytes)
    bodies = {unit.body: f"unit:{guest(unit.rip) or hex(unit.rip)}" for unit in units}

    moved = REGION - vmm.cache.region

    def name(address: int) -> str | None:
        return bodies.get(address) or _state_name(address + moved) or guest(address)

    for unit in sorted(units, key=lambda unit: unit.rip):
        yield _passage(vmm, unit, name)


def _passage(vmm: BinaryTranslation, unit: Unit, name: Names) -> Passage:
    source = b"".join(vmm.memory.read(at, size) for at, size in unit.source)
    guest = {line.address: line for line in disassemble(source, unit.rip, name)}
    starts = sorted(unit.starts.items(), key=lambda pair: pair[1])
    bounds = [at for _, at in starts[1:]] + [unit.end]
    rows = [
        ((guest[rip],), _emitted(vmm, unit, at, end, name))
        for (rip, at), end in zip(starts, bounds, strict=True)
    ]
    check = ((), _emitted(vmm, unit, unit.entry, unit.body, name))
    return Passage(name(unit.rip) or hex(unit.rip), (check, *rows))


def _emitted(
    vmm: BinaryTranslation, unit: Unit, begin: int, end: int, name: Names
) -> tuple[Line, ...]:
    """Instructions of the cache as they stand there now, with what their callouts are for."""
    code = vmm.cache.read(begin, end - begin)
    lines = disassemble(code, begin, name, bounds=bool(unit.fences))
    return tuple(
        line if at is None else Line(line.address, f"callout {_purpose(unit, at)}")
        for line in lines
        for at in (_callout(unit, line),)
    )


def _callout(unit: Unit, line: Line) -> int | None:
    """Address of the callout that the line is: behind a check of the fence it has prefixes."""
    if line.text != "ud2":
        return None
    places = range(line.address, line.address + 3)
    return next((at for at in places if at in unit.callouts), None)


def _purpose(unit: Unit, address: int) -> str:
    callout = unit.callouts[address]
    if callout.kind is Kind.LINK and callout.exit is not None:
        state = "linked" if callout.exit.linked else "not linked"
        return f"link to {callout.exit.target:#x}, {state}"
    return callout.kind.name.lower()
