"""The hypercall page: 32 bytes for each hypercall, which a guest calls (as Xen fills it in)."""

from __future__ import annotations

import struct

from techniques.paravirtual import abi
from techniques.paravirtual.hypercall_table import BY_NAME

_STUB_BYTES = 32
_PUSH_RCX_R11, _POP_R11_RCX, _RET = b"\x51\x41\x53", b"\x41\x5b\x59", b"\xc3"
_PUSH_RAX, _MOV_EAX, _SYSCALL, _INT3 = b"\x50", b"\xb8", b"\x0f\x05", b"\xcc"


def hypercall_page() -> bytes:
    """The page's contents."""
    iret = BY_NAME["iret"].number
    stubs = (_iret(n) if n == iret else _stub(n) for n in range(abi.PAGE // _STUB_BYTES))
    return b"".join(stub.ljust(_STUB_BYTES, _INT3) for stub in stubs)


def _number(number: int) -> bytes:
    return _MOV_EAX + struct.pack("<I", number)


def _stub(number: int) -> bytes:
    return _PUSH_RCX_R11 + _number(number) + _SYSCALL + _POP_R11_RCX + _RET


def _iret(number: int) -> bytes:
    """Reached by a jump: the frame that iret expects, RAX on top, lies on the stack."""
    return _PUSH_RCX_R11 + _PUSH_RAX + _number(number) + _SYSCALL
