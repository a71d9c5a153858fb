"""Raw memory access and calls by address for the native event layer.

Numba cannot cache a function that holds a ctypes pointer, so the layer keeps the addresses of the
engine's functions in its state words (`words.py`) and calls them through these intrinsics.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np import arrayobj

_populate: Any = arrayobj.populate_array
_I64 = ir.IntType(64)
_I32 = ir.IntType(32)
_VOID = ir.VoidType()


def _load(bits: int) -> Any:
    @intrinsic
    def load(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = builder.inttoptr(args[0], ir.IntType(bits).as_pointer())
            value = builder.load(pointer, align=1)
            return value if bits == 64 else builder.zext(value, _I64)

        return types.uint64(types.uint64), codegen

    return load


def _store(bits: int) -> Any:
    @intrinsic
    def store(typingctx: Any, address: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = builder.inttoptr(args[0], ir.IntType(bits).as_pointer())
            stored = args[1] if bits == 64 else builder.trunc(args[1], ir.IntType(bits))
            builder.store(stored, pointer, align=1)
            return context.get_dummy_value()

        return types.void(types.uint64, types.uint64), codegen

    return store


load8, load16, load32, load64 = _load(8), _load(16), _load(32), _load(64)
store8, store16, store32, store64 = _store(8), _store(16), _store(32), _store(64)


def view_of(address_word: int, count_word: int, shift: int) -> Any:
    """An intrinsic `view(state)`: the uint64 array whose address and length (>> `shift`) two state words hold.

    Numba functions without reference counts may not return arrays, so this cannot be a plain function.
    """
    array = types.Array(types.uint64, 1, "C")

    @intrinsic
    def view(typingctx: Any, state: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            def load(word: int) -> Any:
                at = builder.add(args[0], ir.Constant(_I64, 8 * word))
                return builder.load(builder.inttoptr(at, _I64.as_pointer()))

            made = context.make_array(array)(context, builder)
            size = ir.Constant(_I64, 8)
            data = builder.inttoptr(load(address_word), made.data.type)
            length = builder.lshr(load(count_word), ir.Constant(_I64, shift))
            _populate(made, data=data, shape=[length], strides=[size], itemsize=size, meminfo=None)
            return made._getvalue()

        return array(types.uint64), codegen

    return view


@intrinsic
def address_of(typingctx: Any, pointer: Any) -> Any:
    """The address held in a `voidptr`, as uint64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], _I64)

    return types.uint64(types.voidptr), codegen


def _call(result: Any, parameters: tuple[Any, ...]) -> Any:
    """A caller of C functions `result f(parameters...)`; every argument is passed as uint64 and narrowed."""
    arity = len(parameters)
    signature_type = types.void if isinstance(result, ir.VoidType) else types.uint64

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        function = builder.inttoptr(args[0], ir.FunctionType(result, parameters).as_pointer())
        values = [
            a if p is _I64 else builder.trunc(a, p)
            for a, p in zip(args[1:], parameters, strict=True)
        ]
        value = builder.call(function, values)
        if isinstance(result, ir.VoidType):
            return context.get_dummy_value()
        return value if result is _I64 else builder.zext(value, _I64)

    signature = signature_type(*([types.uint64] * (arity + 1)))
    if arity == 1:

        @intrinsic
        def call1(typingctx: Any, function: Any, a: Any) -> Any:
            return signature, codegen

        return call1
    if arity == 2:

        @intrinsic
        def call2(typingctx: Any, function: Any, a: Any, b: Any) -> Any:
            return signature, codegen

        return call2
    if arity == 3:

        @intrinsic
        def call3(typingctx: Any, function: Any, a: Any, b: Any, c: Any) -> Any:
            return signature, codegen

        return call3
    if arity == 4:

        @intrinsic
        def call4(typingctx: Any, function: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
            return signature, codegen

        return call4
    if arity == 5:

        @intrinsic
        def call5(typingctx: Any, function: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
            return signature, codegen

        return call5

    @intrinsic
    def call6(typingctx: Any, function: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:
        return signature, codegen

    return call6


call_p = _call(_VOID, (_I64,))  # f(pointer)
call_pp = _call(_VOID, (_I64, _I64))  # f(pointer, pointer or uint64)
call_ppp = _call(_VOID, (_I64, _I64, _I64))
call_pii = _call(_VOID, (_I64, _I32, _I32))  # f(pointer, int, int)
call_piip = _call(_VOID, (_I64, _I32, _I32, _I64))
call_pipp = _call(_VOID, (_I64, _I32, _I64, _I64))
call_ppiip_p = _call(_VOID, (_I64, _I64, _I64, _I32, _I32, _I64))  # tlb_set_page
call_lookup = _call(_I64, (_I64, _I64, _I64, _I32, _I32))  # tb_htable_lookup
call_event = _call(_I64, (_I64,))  # Python event callback: f(kind) -> uint64
call_register = _call(_I32, (_I64, _I32, _I64))  # uc_reg_read, uc_reg_write
