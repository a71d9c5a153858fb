"""Non-maskable interrupts in VMX non-root operation: exits of NMIs and of NMI windows (SDM vol. 3C 25.1, 25.2)."""

from __future__ import annotations

from hardware_model.executor import delivery as D
from hardware_model.executor import nmi
from hardware_model.executor import words as W
from hardware_model.executor.state import U, set_word, word
from hardware_model.executor.vmx_exit import COMPLETED, exit_by_event, qualified
from hardware_model.native import inner
from hardware_model.vmx.exit_reasons import Reason


@inner
def non_maskable_interrupt(w):
    """The exit of an open NMI window, which comes before an NMI; an NMI's exit, or its delivery."""
    if word(w, W.NMI_WINDOW) != U(0) and not nmi.blocked(w):
        return qualified(w, U(Reason.NMI_WINDOW), U(0))
    if word(w, W.NMI_PENDING) == U(0):
        return COMPLETED
    if word(w, W.NMI_RULE) == U(W.NmiRule.DELIVERED):
        nmi.deliver(w)
        return COMPLETED
    set_word(w, W.NMI_PENDING, U(0))
    return exit_by_event(w, D.VALID | (D.TYPE_NMI << U(8)) | nmi.VECTOR, U(0), U(0))
