"""The I/O models, which techniques they make sense under, and connecting a guest by one of them."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from hardware_model.devices.disk import DiskContent
from techniques.io_models import emulated, paravirtual, passthrough, xen
from techniques.technique import Skipped, Technique

if TYPE_CHECKING:
    from workloads import LinuxWorkload, Workload

EMULATED, PARAVIRTUAL, PASSTHROUGH = "emulated", "paravirtual", "passthrough"
NAMES = (EMULATED, PARAVIRTUAL, PASSTHROUGH)
_NATIVE = "native"


def check(kind: type[Technique], workload: Workload | LinuxWorkload, io: str) -> None:
    """Raise Skipped, with the reason, if the technique has no such I/O; ValueError for an unknown model."""
    if io not in NAMES:
        raise ValueError(f"there is no I/O model {io!r}; there are: {', '.join(NAMES)}")
    reason = _why_not(kind, io, workload.needs) or _why_not_linux(io, workload)
    if reason:
        raise Skipped(reason)


def _why_not(kind: type[Technique], io: str, needs: Container[str]) -> str:
    if kind.name == _NATIVE and io != EMULATED:
        return "there is no VMM: the guest drives the machine's own devices, as the cell with emulated says"
    if kind.name != _NATIVE and "remapping" in needs:
        return "it drives the VT-d unit, which a VMM keeps to itself"
    if kind.ported and "devices" in needs and io != PARAVIRTUAL:
        return "Xen shows a ported guest no emulated devices: its disk and network are shared rings"
    return ""


def _why_not_linux(io: str, workload: Workload | LinuxWorkload) -> str:
    """Linux has drivers of its own for devices as they are sold."""
    if not workload.on_linux or "devices" not in workload.needs:
        return ""
    if "network driver" in workload.needs and io != PARAVIRTUAL:
        return "the machine's card lacks the EEPROM and the PHY without which Linux's e1000 does not start it"
    if io == PASSTHROUGH:
        return "assigned devices interrupt by messages, and Linux's ata_piix waits for the drive's interrupt pin"
    return ""


def machine_bytes(io: str) -> int:
    """Machine memory behind the guest's that the VMM needs for the I/O model."""
    return passthrough.FRAME_BYTES if io == PASSTHROUGH else 0


def connect(guest: Technique, io: str) -> None:
    """Give the guest its devices, and the machine's disk its content; to be called once, before it runs."""
    guest.machine.peripherals.disk.content = DiskContent(guest.image.disk)
    if guest.ported and io == PARAVIRTUAL:
        xen.connect(guest)
    elif guest.name != _NATIVE and not guest.ported:
        _CONNECT[io](guest)


_CONNECT = {
    EMULATED: emulated.connect,
    PARAVIRTUAL: paravirtual.connect,
    PASSTHROUGH: passthrough.connect,
}
