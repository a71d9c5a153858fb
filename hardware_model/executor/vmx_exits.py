"""Which intercepts are VM exits in VMX non-root operation (Intel SDM vol. 3C chapter 25), by the
controls in the VMCS.
"""

from __future__ import annotations

from hardware_model import counters
from hardware_model.executor import delivery as D
from hardware_model.executor import layout as L
from hardware_model.executor import nmi
from hardware_model.executor import words as W
from hardware_model.executor.intrinsics import load32, load64
from hardware_model.executor.operands import memory_address
from hardware_model.executor.state import U, count, set_word, word
from hardware_model.executor.vmx_apic import (
    apic_access,
    halt,
    physical_interrupt,
    virtual_interrupt,
)
from hardware_model.executor.vmx_exit import (
    COMPLETED,
    NO_EXIT,
    exit_by_event,
    field,
    primary,
    qualified,
    secondary,
)
from hardware_model.executor.vmx_instructions import vmx_instruction
from hardware_model.executor.vmx_nmi import non_maskable_interrupt
from hardware_model.executor.vmx_registers import (
    cr_read,
    cr_write,
    dr_access,
    msr_access,
    port_access,
)
from hardware_model.native import inner
from hardware_model.vmx import bitmaps
from hardware_model.vmx.controls import Primary, Secondary
from hardware_model.vmx.exit_reasons import Reason
from hardware_model.vmx.fields import Field
from hardware_model.vmx.layout import WORD_INDEX

I = W.Intercept
_BITMAP = WORD_INDEX[Field.EXCEPTION_BITMAP]
_PFEC_MASK = WORD_INDEX[Field.PAGE_FAULT_ERROR_CODE_MASK]
_PFEC_MATCH = WORD_INDEX[Field.PAGE_FAULT_ERROR_CODE_MATCH]
_HLT, _INVLPG = U(Primary.HLT_EXITING), U(Primary.INVLPG_EXITING)
_RDPMC, _RDTSC = U(Primary.RDPMC_EXITING), U(Primary.RDTSC_EXITING)
_PAUSE, _MOV_DR = U(Primary.PAUSE_EXITING), U(Primary.MOV_DR_EXITING)
_RDTSCP, _WBINVD = U(Secondary.ENABLE_RDTSCP), U(Secondary.WBINVD_EXITING)
INVALID_OPCODE, DEBUG = U(6), U(1)
DEBUG_CAUSES = U(0x600F)  # bits of DR6 and of the qualification: B0 to B3, BD, BS
_KEPT = counters.index("vmx.exception_kept")
R = Reason


@inner
def selected(w, vector, error):
    return bitmaps.exception_exits(
        field(w, _BITMAP), field(w, _PFEC_MASK), field(w, _PFEC_MATCH), vector, error
    )


@inner
def exception(w, vector):
    """An exception raised in the guest."""
    error = load32(word(w, W.ENV) + U(L.ENV_ERROR_CODE)) if D.has_error_code(vector) else U(0)
    if vector == INVALID_OPCODE:
        reason = vmx_instruction(w)
        if reason != U(0):
            return reason
    if not selected(w, vector, error):
        count(w, _KEPT, 1)
        return double_fault(w, vector)
    info = D.VALID | (D.TYPE_EXCEPTION << U(8)) | vector
    if D.has_error_code(vector):
        info |= D.ERROR_VALID
    qualification = word(w, W.FAULT_ADDRESS) if vector == D.PAGE_FAULT else U(0)
    if vector == DEBUG:
        qualification = load64(word(w, W.ENV) + U(L.ENV_DR + 48)) & DEBUG_CAUSES
    return exit_by_event(w, info, error, qualification)


@inner
def double_fault(w, vector):
    """Exits of what an unselected `vector` becomes when another exception was being delivered."""
    after = D.combine(word(w, W.VECTORING), vector)
    if after == D.TRIPLE_FAULT:
        set_word(w, W.VECTORING, U(0))
        return qualified(w, U(R.TRIPLE_FAULT), U(0))
    if after == D.DOUBLE_FAULT and vector != D.DOUBLE_FAULT and selected(w, after, U(0)):
        set_word(w, W.VECTORING, U(0))  # no exit of a double fault is one during delivery (27.2.4)
        info = D.VALID | D.ERROR_VALID | (D.TYPE_EXCEPTION << U(8)) | after
        return exit_by_event(w, info, U(0), U(0))
    return NO_EXIT


@inner
def breakpoint_in_vmx(w, vector):
    """INT3 exits when the exception bitmap says so; INT n never does."""
    if not selected(w, vector, U(0)):
        return NO_EXIT
    return exit_by_event(w, D.VALID | (D.TYPE_SOFTWARE_EXCEPTION << U(8)) | vector, U(0), U(0))


@inner
def _if_primary(w, control, reason, qualification):
    if primary(w, control):
        return qualified(w, U(reason), qualification)
    return NO_EXIT


@inner
def _timestamp(w, code):
    if code == U(I.RDTSCP) and not secondary(w, _RDTSCP):
        if selected(w, INVALID_OPCODE, U(0)):
            info = D.VALID | (D.TYPE_EXCEPTION << U(8)) | INVALID_OPCODE
            return exit_by_event(w, info, U(0), U(0))
        set_word(w, W.INJECT, D.VALID | (D.TYPE_EXCEPTION << U(8)) | INVALID_OPCODE)
        return COMPLETED
    return _if_primary(w, _RDTSC, R.RDTSC if code == U(I.RDTSC) else R.RDTSCP, U(0))


@inner
def intercepted_in_vmx(w, code):
    """The basic exit reason of intercept `code`; COMPLETED here, or NO_EXIT: left to the bare processor."""
    if code >= U(I.EXCEPTION) and code < U(I.INTR):
        return exception(w, code - U(I.EXCEPTION))
    if code == U(I.EPT_VIOLATION):
        if word(w, W.NMI_UNBLOCKED) != U(0):
            qualification = word(w, W.EVENT_QUALIFICATION) | nmi.UNBLOCKING_BY_IRET
            set_word(w, W.EVENT_QUALIFICATION, qualification)
        return U(R.EPT_VIOLATION)
    if code == U(I.EPT_MISCONFIGURATION):
        return U(R.EPT_MISCONFIGURATION)
    if code == U(I.PHYSICAL_INTERRUPT):
        return physical_interrupt(w)
    if code == U(I.NMI):
        return non_maskable_interrupt(w)
    if code >= U(I.WRITE_CR0) and code <= U(I.WRITE_CR8):
        return cr_write(w, code - U(I.WRITE_CR0))
    if code <= U(I.READ_CR8):
        return cr_read(w, code)
    if code >= U(I.READ_DR0) and code < U(I.EXCEPTION):
        return dr_access(w) if primary(w, _MOV_DR) else NO_EXIT
    if code == U(I.MSR):
        return msr_access(w)
    if code == U(I.PORT_ACCESS):
        return port_access(w)
    if code == U(I.VINTR):
        if word(w, W.WINDOW) == U(0):
            return virtual_interrupt(w)
        return qualified(w, U(R.INTERRUPT_WINDOW), U(0))
    if code == U(I.APIC_ACCESS):
        return apic_access(w)
    return instruction(w, code)


@inner
def instruction(w, code):
    """Instructions that exit by themselves."""
    if code == U(I.CPUID):
        return qualified(w, U(R.CPUID), U(0))
    if code == U(I.INVD):
        return qualified(w, U(R.INVD), U(0))
    if code == U(I.HLT):
        return qualified(w, U(R.HLT), U(0)) if primary(w, _HLT) else halt(w)
    if code == U(I.INVLPG):
        return _if_primary(w, _INVLPG, R.INVLPG, memory_address(w, 2))
    if code == U(I.RDPMC):
        return _if_primary(w, _RDPMC, R.RDPMC, U(0))
    if code == U(I.PAUSE):
        return _if_primary(w, _PAUSE, R.PAUSE, U(0))
    if code == U(I.RDTSC) or code == U(I.RDTSCP):
        return _timestamp(w, code)
    if code == U(I.WBINVD):
        if secondary(w, _WBINVD):
            return qualified(w, U(R.WBINVD), U(0))
        return NO_EXIT
    if code == U(I.SHUTDOWN):
        return qualified(w, U(R.TRIPLE_FAULT), U(0))
    if code >= U(I.IDTR_READ) and code <= U(I.TR_WRITE):
        return descriptor_table(w, code)
    return NO_EXIT


@inner
def descriptor_table(w, code):
    """LGDT, LIDT, SGDT, SIDT and LLDT, LTR, SLDT, STR under descriptor-table exiting; intercepted only then."""
    task = (
        code == U(I.LDTR_READ)
        or code == U(I.TR_READ)
        or code == U(I.LDTR_WRITE)
        or code == U(I.TR_WRITE)
    )
    return qualified(w, U(R.LDTR_TR_ACCESS) if task else U(R.GDTR_IDTR_ACCESS), U(0))
