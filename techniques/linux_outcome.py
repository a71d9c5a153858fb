"""What counts for equivalence when Linux is the guest: its console, and what its user programs say at the end.

Memory is not compared: a ported kernel is entered another way, and every kernel draws random numbers from its time
stamps. A program of the linux family says `trapbench-result WORD` and `trapbench-status WORD` (hexadecimal) on its
console; see workloads/linux/runtime/start.asm.
"""

from __future__ import annotations

import hashlib
import re

from hardware_model.machine import End

ORDERLY = {
    End.EXITED: "left by the debug-exit port",
    End.RESET: "reset the machine",
    End.POWERED_OFF: "switched the machine off",
    End.HALTED: "halted",
}
_STAMP = re.compile(rb"^(<\d+>)?\[ *\d+\.\d+\] ", re.MULTILINE)
_STATUS = re.compile(rb"^trapbench-status ([0-9a-f]{16})\r?$", re.MULTILINE)
_RESULT = re.compile(rb"^trapbench-result ([0-9a-f]{16})\r?$", re.MULTILINE)
_PANIC = re.compile(rb"Kernel panic - not syncing: ([^\r\n]*)")
_KERNEL_LINE = re.compile(rb"^(<\d+>)?\[ *\d+\.\d+\] .*\n?", re.MULTILINE)
_XEN_START = re.compile(
    rb"^(mapping kernel into physical memory|about to get started\.\.\.)\r?\n", re.M
)
"""What Linux says before it has a console of its own, under Xen, without a time stamp."""
_USERLAND = re.compile(rb"^\[ *\d+\.\d+\] Run /init as init process\r?$", re.MULTILINE)


def status(console: bytes) -> int | None:
    """The status that the user program gave, None if it gave none."""
    found = _STATUS.findall(console)
    return int(found[-1], 16) if found else None


def verdict(end: End, console: bytes, where: str, *, announces: bool) -> tuple[str, str]:
    """Status and reason of a run; `announces`: an orderly end needs the program's status 0."""
    panic = _PANIC.search(console)
    if panic:
        return "failed", f"the kernel panicked: {panic[1].decode(errors='replace')}"
    if end not in ORDERLY:
        return "failed", f"{end.value} {where}"
    given = status(console)
    if given or (announces and given is None):
        said = f"status {given}" if given else "no status"
        return "failed", f"the guest {ORDERLY[end]}; its program gave {said}"
    return "ok", ""


def parts(console: bytes) -> dict[str, str]:
    """What is compared, part by part: `kernel` without time stamps, `userland` from /init on, `status`, `result`.

    A kernel told to be quiet does not say where /init begins; then all lines that are not the kernel's are userland.
    """
    begin = _USERLAND.search(console)
    userland = _KERNEL_LINE.sub(b"", console[begin.end() if begin else 0 :])
    if not begin:
        userland = _XEN_START.sub(b"", userland)
    words = [word.decode() for word in _RESULT.findall(console)]
    return {
        "kernel": hashlib.sha256(_STAMP.sub(b"", console)).hexdigest(),
        "userland": hashlib.sha256(userland).hexdigest(),
        "status": str(status(console)),
        "result": " ".join(words),
    }


PLATFORM_INDEPENDENT = ("userland", "status", "result")
"""The parts that kernels on different platforms, or with other devices, have in common: the rest is about those."""
