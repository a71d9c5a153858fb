"""Every hypercall of the PV interface by number (Xen public header `xen.h`), declared once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hypercall:
    """`number` in RAX, `name` as in Xen's headers, `doc`: what it asks for."""

    number: int
    name: str
    doc: str


HYPERCALLS: tuple[Hypercall, ...] = (
    Hypercall(0, "set_trap_table", "register handlers of exceptions"),
    Hypercall(1, "mmu_update", "change page-table entries, or the machine-to-physical table"),
    Hypercall(2, "set_gdt", "use these frames as the descriptor table"),
    Hypercall(3, "stack_switch", "the kernel stack on which traps from user mode start"),
    Hypercall(4, "set_callbacks", "entry points of events, failures and system calls"),
    Hypercall(5, "fpu_taskswitch", "set or clear CR0.TS"),
    Hypercall(8, "set_debugreg", "write a debug register"),
    Hypercall(9, "get_debugreg", "read a debug register"),
    Hypercall(10, "update_descriptor", "change a segment descriptor"),
    Hypercall(12, "memory_op", "ask about memory, or change the reservation"),
    Hypercall(13, "multicall", "several hypercalls in one"),
    Hypercall(14, "update_va_mapping", "change the page-table entry of an address"),
    Hypercall(15, "set_timer_op", "ask for a timer event at a system time"),
    Hypercall(17, "xen_version", "version and features; a cheap call to have pending events seen"),
    Hypercall(18, "console_io", "the hypervisor's own console"),
    Hypercall(20, "grant_table_op", "share frames with other domains"),
    Hypercall(21, "vm_assist", "switch optional behaviour on or off"),
    Hypercall(23, "iret", "return from a trap, to user or kernel mode"),
    Hypercall(24, "vcpu_op", "state, timers and registration of virtual processors"),
    Hypercall(25, "set_segment_base", "base of FS or GS"),
    Hypercall(26, "mmuext_op", "pin and unpin tables, switch roots, flush TLBs"),
    Hypercall(29, "sched_op", "yield, block, shut down"),
    Hypercall(30, "callback_op", "register one entry point"),
    Hypercall(32, "event_channel_op", "bind, send, mask and close event channels"),
    Hypercall(33, "physdev_op", "physical devices; I/O privilege"),
)

BY_NUMBER = {call.number: call for call in HYPERCALLS}
BY_NAME = {call.name: call for call in HYPERCALLS}
