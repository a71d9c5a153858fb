"""Non-maskable interrupts: the pin, what blocks them, and where they come (SDM vol. 3A 6.7, vol. 3C 25.3).

The engine keeps one bit of blocking, which its IRET clears. Where IRET must not end the blocking, another bit stands
for it. NMIs come through no gate of the engine's: each is intercepted, and the event layer decides.
"""

from __future__ import annotations

from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.intrinsics import load32, store32
from hardware_model.executor.operands import code_byte, load_code, opcode_offset
from hardware_model.executor.state import U, set_word, word
from hardware_model.native import inner

I = W.Intercept
VECTOR = U(2)
UNBLOCKING_BY_IRET = U(
    1 << 12
)  # in interruption information and in qualifications of EPT violations
_IRET = U(0xCF)
_DEBUG = U(I.EXCEPTION + 1)


@inner
def _flags(w):
    return word(w, W.ENV) + U(L.ENV_HFLAGS2)


@inner
def blocked(w):
    """Whether blocking by NMI is in effect, be it of NMIs or of virtual ones."""
    return (load32(_flags(w)) & U(L.HF2_NMI | L.HF2_NMI_HELD)) != U(0)


@inner
def block(w):
    """An NMI is delivered: no other one until the handler's IRET."""
    held = word(w, W.NMI_RULE) == U(W.NmiRule.EXITS)
    store32(_flags(w), load32(_flags(w)) | (U(L.HF2_NMI_HELD) if held else U(L.HF2_NMI)))


@inner
def in_shadow(w):
    """Within the shadow of STI or MOV SS, which holds NMIs off as well."""
    return (load32(word(w, W.ENV) + U(L.ENV_HFLAGS)) & U(L.HF_INHIBIT_IRQ)) != U(0)


@inner
def exits_though_blocked(w):
    """Blocking of virtual NMIs holds off no NMI of the machine."""
    virtual = word(w, W.NMI_RULE) == U(W.NmiRule.VIRTUAL)
    return virtual and word(w, W.NMI_PENDING) != U(0) and not in_shadow(w)


@inner
def wakes(w):
    """Whether an NMI ends a halt, whatever IF is; that of a deprivileged guest's processor is its VMM's."""
    if word(w, W.NMI_PENDING) == U(0):
        return False
    return not blocked(w) or word(w, W.NMI_RULE) == U(W.NmiRule.VIRTUAL)


@inner
def wanted(w):
    """Whether an NMI, or the exit of an NMI window, waits for its boundary; a deprivileged guest's VMM takes none."""
    if word(w, W.MODE) == U(W.Mode.DEPRIVILEGED):
        return False
    return word(w, W.NMI_PENDING) != U(0) or word(w, W.NMI_WINDOW) != U(0)


@inner
def request(w):
    """Have what waits come at the first boundary that allows it; True if that is the next one."""
    at = word(w, W.CPU) + U(L.CPU_INTERRUPT_REQUEST)
    store32(at, load32(at) & ~U(L.INTERRUPT_NMI))
    if not wanted(w):
        return False
    if in_shadow(w):  # look again behind the next instruction
        set_word(w, W.DEADLINE, min(word(w, W.DEADLINE), word(w, W.CLOCK) + U(1)))
        return False
    if blocked(w) and exits_though_blocked(w):
        set_word(w, W.DEADLINE, word(w, W.CLOCK))
        return True
    if (load32(_flags(w)) & U(L.HF2_NMI_HELD)) != U(0):
        return False
    store32(
        at, load32(at) | U(L.INTERRUPT_NMI)
    )  # taken when IRET has ended the blocking, if there is one
    return not blocked(w)


@inner
def deliver(w):
    """The guest takes the NMI itself."""
    set_word(w, W.NMI_PENDING, U(0))
    set_word(w, W.INJECT, U(1 << 31 | 2 << 8) | VECTOR)
    set_word(w, W.INJECT_ERROR, U(0))


@inner
def note_fault_of_iret(w, code):
    """An IRET that faults has ended the blocking all the same (SDM vol. 3A 6.7.1)."""
    set_word(w, W.NMI_UNBLOCKED, U(0))
    if (load32(_flags(w)) & U(L.HF2_NMI)) == U(0) or word(w, W.VECTORING) != U(0):
        return
    exception = code >= U(I.EXCEPTION) and code < U(I.INTR) and code != _DEBUG
    if not exception and code != U(I.EPT_VIOLATION) and code != U(I.EPT_MISCONFIGURATION):
        return
    if word(w, W.INSTRUCTION_LENGTH) == U(0):
        return
    load_code(w)
    at, _, _ = opcode_offset(w)
    if code_byte(w, at) == _IRET:
        store32(_flags(w), load32(_flags(w)) & ~U(L.HF2_NMI))
        set_word(w, W.NMI_UNBLOCKED, U(1))
