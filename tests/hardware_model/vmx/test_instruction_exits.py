"""Exits caused by instructions: reason, qualification, length and saved RIP; none of them has an effect of its own."""

from __future__ import annotations

import pytest

from hardware_model.machine import End
from hardware_model.vmx.controls import Primary, Secondary
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from tests.small_guest import DATA, LOG

ENTER_USER = "push DATA3; push USER_STACK; push 2; push CODE3; push USER; iretq\n"
END = "; mov edx, 0xf4; xor eax, eax; out dx, eax"
ALWAYS = [
    ("cpuid", Reason.CPUID, 2),
    ("invd", Reason.INVD, 2),
    ("vmcall", Reason.VMCALL, 3),
    ("vmlaunch", Reason.VMLAUNCH, 3),
    ("vmresume", Reason.VMRESUME, 3),
    ("vmxoff", Reason.VMXOFF, 3),
    ("vmread rax, rbx", Reason.VMREAD, 3),
    ("vmwrite rbx, rax", Reason.VMWRITE, 3),
    ("vmread [rdi+8], rbx", Reason.VMREAD, 4),
    (".byte 0x66, 0x0f, 0xc7, 0x37", Reason.VMCLEAR, 4),
    (".byte 0x0f, 0xc7, 0x37", Reason.VMPTRLD, 3),
    (".byte 0x0f, 0xc7, 0x3f", Reason.VMPTRST, 3),
    (".byte 0xf3, 0x0f, 0xc7, 0x37", Reason.VMXON, 4),
    (".byte 0x66, 0x0f, 0x38, 0x80, 0x07", Reason.INVEPT, 5),
    (".byte 0x66, 0x0f, 0x38, 0x81, 0x07", Reason.INVVPID, 5),
]
BY_CONTROL = [
    ("hlt", Primary.HLT_EXITING, Reason.HLT, 1),
    ("rdtsc", Primary.RDTSC_EXITING, Reason.RDTSC, 2),
    ("rdpmc", Primary.RDPMC_EXITING, Reason.RDPMC, 2),
    ("pause", Primary.PAUSE_EXITING, Reason.PAUSE, 2),
    ("mov rax, dr7", Primary.MOV_DR_EXITING, Reason.DR_ACCESS, 3),
    ("invlpg [rdi]", Primary.INVLPG_EXITING, Reason.INVLPG, 3),
]
BY_SECONDARY = [
    ("wbinvd", Secondary.WBINVD_EXITING, Reason.WBINVD, 2),
    ("sgdt [rdi]", Secondary.DESCRIPTOR_TABLE_EXITING, Reason.GDTR_IDTR_ACCESS, 3),
    ("sidt [rdi]", Secondary.DESCRIPTOR_TABLE_EXITING, Reason.GDTR_IDTR_ACCESS, 3),
    ("lgdt [rdi]", Secondary.DESCRIPTOR_TABLE_EXITING, Reason.GDTR_IDTR_ACCESS, 3),
    ("lidt [rdi]", Secondary.DESCRIPTOR_TABLE_EXITING, Reason.GDTR_IDTR_ACCESS, 3),
    ("sldt ax", Secondary.DESCRIPTOR_TABLE_EXITING, Reason.LDTR_TR_ACCESS, 4),
    ("str ax", Secondary.DESCRIPTOR_TABLE_EXITING, Reason.LDTR_TR_ACCESS, 4),
    ("lldt cx", Secondary.DESCRIPTOR_TABLE_EXITING, Reason.LDTR_TR_ACCESS, 3),
    ("ltr cx", Secondary.DESCRIPTOR_TABLE_EXITING, Reason.LDTR_TR_ACCESS, 3),
]
BEFORE = "mov edi, 0x210000; mov rdi, DATA; mov eax, 1; mov ebx, 2; mov ecx, 3; mov edx, 5; "


def unchanged(run):
    """The exiting instruction wrote neither registers nor memory."""
    assert [run.gpr(name) for name in ("rbx", "rcx")] == [2, 3]
    assert run.word(DATA) == 0


def check(run, reason, length):
    seen = run.only_exit()
    assert (seen.reason, seen.rip, seen.length) == (reason, run.at("here"), length)
    assert (seen.info, seen.vectoring) == (0, 0)
    unchanged(run)


def switches_on(control):
    """A VMM that turns a secondary control on at the exit of CPUID: the guest's start is not to exit."""

    def on_exit(run, seen):
        if seen.reason is Reason.CPUID:
            primary = run.vmx.read(Field.PRIMARY_CONTROLS)
            run.vmx.write(Field.PRIMARY_CONTROLS, primary | Primary.ACTIVATE_SECONDARY_CONTROLS)
            run.vmx.write(Field.SECONDARY_CONTROLS, control)

    return on_exit


@pytest.mark.parametrize(("code", "reason", "length"), ALWAYS)
def test_an_instruction_that_always_exits(vmx_guest, code, reason, length):
    check(vmx_guest(f"{BEFORE} here: {code}; nop"), reason, length)


@pytest.mark.parametrize(("code", "control", "reason", "length"), BY_CONTROL)
def test_an_instruction_that_exits_under_a_primary_control(
    vmx_guest, code, control, reason, length
):
    check(vmx_guest(f"{BEFORE} here: {code}; nop", primary=control), reason, length)


@pytest.mark.parametrize(("code", "control", "reason", "length"), BY_SECONDARY)
def test_an_instruction_that_exits_under_a_secondary_control(
    vmx_guest, code, control, reason, length
):
    text = f"{BEFORE} cpuid; {BEFORE} here: {code}; nop"
    run = vmx_guest(text, level=FeatureLevel.EPT, on_exit=switches_on(control))
    assert run.exits.pop(0).reason is Reason.CPUID
    check(run, reason, length)


@pytest.mark.parametrize("code", ["rdtsc", "pause", "mov rax, dr7", "invlpg [rdi]", "wbinvd"])
@pytest.mark.parametrize("level", list(FeatureLevel))
def test_without_its_control_it_executes_and_does_not_exit(vmx_guest, code, level):
    run = vmx_guest(f"{BEFORE} {code}; nop", level=level)
    assert run.end is End.EXITED
    assert set(run.reasons) <= {Reason.CR_ACCESS}  # of the first generation, at the kernel's start


@pytest.mark.parametrize("code", ["sgdt [rdi]", "sidt [rdi]", "sldt ax", "str ax"])
def test_descriptor_tables_do_not_exit_without_descriptor_table_exiting(vmx_guest, code):
    assert vmx_guest(f"{BEFORE} {code}; nop", level=FeatureLevel.EPT).exits == []


def test_rdtscp_exits_as_rdtscp_and_is_undefined_until_enabled(vmx_guest):
    code = f"{BEFORE} here: ? rdtscp; nop"
    enabled = vmx_guest(
        code,
        level=FeatureLevel.EPT,
        primary=Primary.RDTSC_EXITING,
        secondary=Secondary.ENABLE_RDTSCP,
    )
    seen = enabled.only_exit()
    assert (seen.reason, seen.rip, seen.length) == (Reason.RDTSCP, enabled.at("here"), 3)
    for secondary in (Secondary(0), Secondary.WBINVD_EXITING):
        run = vmx_guest(
            code, level=FeatureLevel.EPT, secondary=secondary, primary=Primary.RDTSC_EXITING
        )
        assert run.reasons == [Reason.RDTSC]  # of the handler that logs the #UD
        assert run.word(LOG) == 1


@pytest.mark.parametrize(
    "code", ["vmcall", "vmlaunch", "cpuid", "vmread rax, rbx", ".byte 0x0f, 0xc7, 0x37"]
)
def test_vmx_instructions_and_cpuid_exit_at_cpl_3_too(vmx_guest, code):
    run = vmx_guest(ENTER_USER, user=f"mov rdi, USER_DATA; here: {code}" + END)
    seen = run.only_exit()
    assert seen.rip == run.at("user.here")


@pytest.mark.parametrize(
    ("code", "primary", "secondary"),
    [
        ("hlt", Primary.HLT_EXITING, Secondary(0)),
        ("invlpg [rdi]", Primary.INVLPG_EXITING, Secondary(0)),
        ("mov rax, dr7", Primary.MOV_DR_EXITING, Secondary(0)),
        ("mov rax, cr3", Primary.CR3_STORE_EXITING, Secondary(0)),
        ("mov cr3, rax", Primary.CR3_LOAD_EXITING, Secondary(0)),
        ("mov rax, cr8", Primary.CR8_STORE_EXITING, Secondary(0)),
        ("rdmsr", Primary(0), Secondary(0)),
        ("wrmsr", Primary(0), Secondary(0)),
        ("invd", Primary(0), Secondary(0)),
        ("wbinvd", Primary(0), Secondary.WBINVD_EXITING),
        ("lgdt [rdi]", Primary(0), Secondary.DESCRIPTOR_TABLE_EXITING),
        ("ltr ax", Primary(0), Secondary.DESCRIPTOR_TABLE_EXITING),
        ("in al, 0x70", Primary.UNCONDITIONAL_IO_EXITING, Secondary(0)),
    ],
)
def test_a_fault_of_privilege_comes_before_the_exit(vmx_guest, code, primary, secondary):
    """SDM vol. 3C 25.1.1. The user's first CPUID turns the control on, its second ends the run."""
    switch_on = switches_on(secondary)

    def on_exit(run, seen):
        if seen.reason is Reason.CPUID and seen.rip == run.at("user.last"):
            run.machine.end()
        switch_on(run, seen)

    user = f"cpuid; ? {code}; last: cpuid"
    run = vmx_guest(ENTER_USER, user=user, level=FeatureLevel.EPT, primary=primary, on_exit=on_exit)
    assert run.word(LOG + 128) == 13
    assert [seen.rip for seen in run.exits if seen.rip >> 32 == 0][1:] == [run.at("user.last")]


@pytest.mark.parametrize(
    ("code", "register", "read", "gpr"),
    [("mov rax, dr7", 7, 1, 0), ("mov dr3, r11", 3, 0, 11), ("mov rsp, dr6", 6, 1, 4)],
)
def test_the_qualification_of_mov_dr_names_both_registers(vmx_guest, code, register, read, gpr):
    seen = vmx_guest(f"{code}", primary=Primary.MOV_DR_EXITING).only_exit()
    assert seen.qualification == register | read << 4 | gpr << 8


@pytest.mark.parametrize(
    ("operand", "address"),
    [
        ("[rdi+rbx*4-8]", DATA),
        ("[rip+0x10]", None),
        ("[r13+r12*8+0x12345]", 0x7000 + 8 * 0x33 + 0x12345),
        ("[rsp]", 0xFFFFFFFF801F0000),
        ("byte ptr gs:[rbx]", 2),
        ("[0x7fff0000]", 0x7FFF0000),
    ],
)
def test_the_qualification_of_invlpg_is_the_linear_address(vmx_guest, operand, address):
    text = f"{BEFORE} mov r13d, 0x7000; mov r12d, 0x33; here: invlpg {operand}; after: nop"
    run = vmx_guest(text, primary=Primary.INVLPG_EXITING)
    assert run.only_exit().qualification == (run.at("after") + 0x10 if address is None else address)
