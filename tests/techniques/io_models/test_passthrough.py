"""Assigned devices: the guest drives the real ones, and the VMM sees configuration accesses and interrupts only."""

from __future__ import annotations

import pytest

import techniques
import workloads
from techniques import io_models
from tests.techniques.io_models import cells
from tests.techniques.io_models.cells import IO

VTX = ("hvm-ept", "hvm-shadow")
VMMS = (*VTX, "bt", "trap-and-emulate")


KERNEL = """#: title = "Ports of the disk from user code and for it"
#: stresses = "ports"
#: outcome = "result 0 counts accesses for the program"
#: needs = ["devices"]
#: slots = ["accesses"]
#: small = { }
#: standard = { }
#: large = { }
@kernel
workload_main:
    call initialise_devices
    lea rax, [rip + system_calls]
    lea rcx, [rip + read_status]
    mov [rax + SYS_GETPID * 8], rcx
    xor eax, eax
    ret
read_status:
    mov edx, [rip + command_ports]
    add edx, 7
    mov ecx, READS
.again:
    pv_in8
    dec ecx
    jnz .again
    inc qword ptr [rip + result]
    xor eax, eax
    ret
@user
.set SYS_STATUS, SYS_GETPID
user_main:
"""
INTRUDER = (
    KERNEL.replace("READS", "1")
    + """
    mov eax, SYS_STATUS
    syscall
    mov edx, 0xc007
    in al, dx
    xor edi, edi
    mov eax, SYS_EXIT
    syscall
"""
)
USER = (
    KERNEL.replace("READS", "3")
    + """
    mov ebx, 100
    ROI_BEGIN
.next:
    mov eax, SYS_STATUS
    syscall
    dec ebx
    jnz .next
    ROI_END
    xor edi, edi
    mov eax, SYS_EXIT
    syscall
"""
)


def run(technique, name, io="passthrough", **knobs):
    settings = tuple((key.replace("_", "."), value) for key, value in knobs.items())
    return cells.run(technique, name, io, settings)


@pytest.mark.parametrize("name", IO)
@pytest.mark.parametrize("technique", VMMS)
def test_the_guest_ends_as_natively(technique, name):
    native, assigned = run("native", name, "emulated"), run(technique, name)
    assert assigned.status == "ok", assigned.reason
    assert assigned.outcome_parts == native.outcome_parts
    assert assigned.instructions == native.instructions


@pytest.mark.parametrize("name", IO)
@pytest.mark.parametrize("technique", VMMS)
def test_devices_move_the_same_data_as_natively_and_the_vmm_none(technique, name):
    native, assigned = (
        run("native", name, "emulated").counters_roi,
        run(technique, name).counters_roi,
    )
    for kind in ("dma.read", "dma.write", "dma.bytes_read", "dma.bytes_written", "io.interrupt"):
        assert assigned.get(kind, 0) == native.get(kind, 0)
    assert assigned.get("vmm.bytes_copied", 0) == 0


@pytest.mark.parametrize("name", IO)
@pytest.mark.parametrize("technique", VTX)
def test_under_vtx_only_interrupts_bring_the_vmm_in(technique, name):
    """For each interrupt: the device's exit, unless HLT's came first, and the end of the interrupt."""
    found = run(technique, name).counters_roi
    interrupts = found.get("io.interrupt", 0)
    woken = found.get("exit.external_interrupt", 0) + found.get("exit.hlt", 0)
    assert found.get("exits", 0) == woken + interrupts
    assert woken == interrupts == found.get("device.mmio", 0) == found.get("injection.interrupt", 0)
    assert found.get("device.port", 0) == 0


@pytest.mark.parametrize("technique", VMMS)
def test_doorbells_are_free_of_the_vmm(technique):
    found = run(technique, "io/doorbells").counters_roi
    assert found["io.doorbell"] == found["mmio.write"] == 500
    assert found.get("exits", 0) == found.get("traps", 0) == 0


@pytest.mark.parametrize("name", IO)
@pytest.mark.parametrize("technique", VTX)
def test_with_direct_interrupts_nothing_exits_and_the_guest_ends_as_natively(technique, name):
    native = run("native", name, "emulated")
    assigned = run(technique, name, passthrough_interrupts="direct")
    assert assigned.status == "ok", assigned.reason
    assert assigned.outcome_parts == native.outcome_parts
    assert assigned.instructions == native.instructions
    assert assigned.counters_roi.get("exits", 0) == 0
    interrupts = native.counters_roi.get("io.interrupt", 0)
    assert assigned.counters_roi.get("interrupt.delivered", 0) == interrupts
    assert assigned.counters_roi.get("vtd.interrupt.remapped", 0) == interrupts


@pytest.mark.parametrize("name", IO)
@pytest.mark.parametrize("technique", VTX)
def test_with_posted_interrupts_nothing_exits_and_the_guest_ends_as_natively(technique, name):
    """Each interrupt is noted by VT-d, taken up and delivered by the processor, and ended in the virtual-APIC page."""
    native = run("native", name, "emulated")
    assigned = run(technique, name, passthrough_interrupts="posted")
    assert assigned.status == "ok", assigned.reason
    assert assigned.outcome_parts == native.outcome_parts
    assert assigned.instructions == native.instructions
    found, interrupts = assigned.counters_roi, native.counters_roi.get("io.interrupt", 0)
    assert found.get("exits", 0) == found.get("device.mmio", 0) == 0
    assert found.get("injection.interrupt", 0) == found.get("vtd.interrupt.remapped", 0) == 0
    assert {
        found.get(name, 0)
        for name in (
            *("io.interrupt", "vtd.interrupt.posted", "vmx.posted", "vmx.virtual_interrupt"),
            *("interrupt.delivered", "vmx.apic_access"),
        )
    } == {interrupts}
    assert found.get("vtd.interrupt.posted.coalesced", 0) == 0


@pytest.mark.parametrize("technique", VTX)
def test_of_a_storm_posting_leaves_no_exit_where_the_vmm_takes_two_for_each_interrupt(technique):
    storm = {
        mode: run(technique, "io/interrupt-storm", passthrough_interrupts=mode).counters_roi
        for mode in ("exit", "posted", "direct")
    }
    exits = {mode: found.get("exits", 0) for mode, found in storm.items()}
    assert exits == {"exit": 512, "posted": 0, "direct": 0}
    assert {found["io.interrupt"] for found in storm.values()} == {256}
    assert run(technique, "io/interrupt-storm", "paravirtual").counters_roi["exits"] == 44
    assert run(technique, "io/interrupt-storm", "emulated").counters_roi["exits"] == 1026


@pytest.mark.parametrize("technique", VTX)
def test_the_vmms_timer_still_exits_beside_posted_interrupts(technique):
    """The guest's timer is the VMM's: its expiry exits, and reaches the guest without being injected."""
    native = run("native", "exit/hlt-timer", "emulated")
    posted = run(technique, "exit/hlt-timer", passthrough_interrupts="posted")
    assert posted.outcome_parts == native.outcome_parts
    found = posted.counters_roi
    timers = native.counters_roi["timer.expired"]
    assert found["exit.external_interrupt"] == found["vmx.virtual_interrupt"] == timers
    assert found.get("injection.interrupt", 0) == found.get("exit.hlt", 0) == 0
    assert found.get("vmx.posted", 0) == 0


def test_posting_needs_the_tpr_shadow():
    with pytest.raises(techniques.GuestError, match="tpr-shadow must be on"):
        knobs = {"passthrough.interrupts": "posted", "tpr-shadow": False}
        workload = workloads.find("io/doorbells")
        techniques.run_guest("hvm-ept", workload, "small", io="passthrough", knobs=knobs)


def test_techniques_without_vtx_have_no_choice_of_interrupts():
    with pytest.raises(techniques.UnknownKnob, match=r"no knob 'passthrough\.interrupts'"):
        run("bt", "io/doorbells", passthrough_interrupts="direct")


def test_exits_per_frame_and_request_fall_from_model_to_model():
    exits = {
        io: (
            run("hvm-ept", "io/disk-read", io).counters_roi["exits"],
            run("hvm-ept", "io/network-receive@64", io).counters_roi["exits"],
            run("hvm-ept", "io/network-transmit@unbatched", io).counters_roi["exits"],
        )
        for io in io_models.NAMES
    }
    assert exits["emulated"] == (12 * 32, 33, 172)
    assert exits["paravirtual"] == (3 * 32, 11, 16)
    assert exits["passthrough"] == (2 * 32, 10, 12)


@pytest.mark.parametrize("technique", VMMS)
def test_no_port_access_of_the_disk_needs_the_vmm(technique):
    """By the I/O bitmaps of VT-x, or by that of the TSS, which translated code asks for with one trap at boot."""
    outcome = run(technique, "io/disk-read")
    found = outcome.counters_roi
    assert found["port.in"] + found["port.out"] == 320
    assert found.get("device.port", 0) == 0
    if technique == "bt":
        assert found.get("trap.gp", 0) == 0


def test_of_a_disk_request_bt_is_left_the_wait_and_the_end_of_the_interrupt():
    found = run("bt", "io/disk-read").counters_roi
    assert found["bt.callout.emulate"] == found["device.mmio"] == found["io.interrupt"] == 32
    assert found["bt.callout.traced"] + found["trap.pf"] == 32


@pytest.mark.parametrize("technique", ["trap-and-emulate", "bt"])
def test_a_program_of_the_guest_cannot_reach_the_opened_ports(tmp_path, technique):
    """Its system call reads the disk's status and can; natively IN at CPL 3 is #GP: signal 11, so status 139."""
    file = tmp_path / "intruder.asm"
    file.write_text(INTRUDER)
    native, assigned = (
        techniques.run_guest(name, workloads.find(file), "small", io=io)
        for name, io in (("native", "emulated"), (technique, "passthrough"))
    )
    assert [native.guest_status, assigned.guest_status] == [139, 139]
    assert native.outcome_parts == assigned.outcome_parts
    assert native.outcome_parts["result"] == "01"
    assert assigned.instructions == native.instructions


def test_bt_shows_ports_once_for_each_stay_in_the_kernel_that_uses_one(tmp_path):
    """A refused access each, and a callout in place of the return in the cache; without ports, neither."""
    file = tmp_path / "user.asm"
    file.write_text(USER)
    found = {
        io: techniques.run_guest("bt", workloads.find(file), "small", io=io)
        for io in ("emulated", "passthrough")
    }
    assert {outcome.status for outcome in found.values()} == {"ok"}
    assert found["emulated"].outcome_parts == found["passthrough"].outcome_parts
    emulated, assigned = (found[io].counters_roi for io in ("emulated", "passthrough"))
    assert (assigned["port.in"], assigned.get("device.port", 0)) == (300, 0)
    assert (emulated.get("port.in", 0), emulated["device.port"]) == (0, 300)
    assert assigned["trap.gp"] == 100
    assert assigned["bt.callout.emulate"] - 100 == emulated["bt.callout.emulate"] - 300
