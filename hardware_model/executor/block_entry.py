"""The hot path of the block hook, in LLVM IR: numba's wrapper of a C callback would cost more than the work itself.

For a block that is in the engine's jump cache, has a slot, needs no attention and ends before the
deadline: advance the clock, count the execution, remember the block. Everything else goes to
`profile.on_block`.
"""

from __future__ import annotations

from functools import cache

from llvmlite import binding

from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.profile import on_block
from hardware_model.executor.slots import SLOT_ATTENTION, SLOT_FLAGS

_IR = f"""
define void @enter_block(i64 %uc, i64 %pc, i32 %size, i64 %state) {{
  %cpu_at = add i64 %state, {8 * W.CPU}
  %cpu_ptr = inttoptr i64 %cpu_at to i64*
  %cpu = load i64, i64* %cpu_ptr
  %high = lshr i64 %pc, 6
  %hash = xor i64 %high, %pc
  %low_bits = and i64 %hash, 63
  %hash_high = lshr i64 %hash, 6
  %high_bits = and i64 %hash_high, {0xFC0}
  %index = or i64 %low_bits, %high_bits
  %offset = shl i64 %index, 3
  %cache = add i64 %cpu, {L.CPU_TB_JMP_CACHE}
  %entry_at = add i64 %cache, %offset
  %entry_ptr = inttoptr i64 %entry_at to i64*
  %block = load i64, i64* %entry_ptr
  %missing = icmp eq i64 %block, 0
  br i1 %missing, label %slow, label %found
found:
  %pc_ptr = inttoptr i64 %block to i64*
  %block_pc = load i64, i64* %pc_ptr
  %shape_at = add i64 %block, {L.TB_SIZE}
  %shape_ptr = inttoptr i64 %shape_at to i32*
  %shape = load i32, i32* %shape_ptr
  %block_size = and i32 %shape, 65535
  %slot_at = add i64 %block, {L.TB_ORIGINAL}
  %slot_ptr = inttoptr i64 %slot_at to i64*
  %slot = load i64, i64* %slot_ptr
  %flags_at = add i64 %block, {L.TB_FLAGS}
  %flags_ptr = inttoptr i64 %flags_at to i32*
  %flags = load i32, i32* %flags_ptr
  %hflags_at = add i64 %cpu, {L.ENV + L.ENV_HFLAGS}
  %hflags_ptr = inttoptr i64 %hflags_at to i32*
  %hflags = load i32, i32* %hflags_ptr
  %differing = xor i32 %flags, %hflags
  %other_ring = and i32 %differing, {L.HF_CPL}
  %same_ring = icmp eq i32 %other_ring, 0
  %same_pc = icmp eq i64 %block_pc, %pc
  %same_size = icmp eq i32 %block_size, %size
  %profiled = icmp ne i64 %slot, 0
  %same_place = and i1 %same_pc, %same_size
  %same = and i1 %same_place, %same_ring
  %known = and i1 %same, %profiled
  br i1 %known, label %ready, label %slow
ready:
  %attention_at = add i64 %slot, {8 * SLOT_ATTENTION}
  %attention_ptr = inttoptr i64 %attention_at to i64*
  %attention = load i64, i64* %attention_ptr
  %units_at = add i64 %slot, {8 * SLOT_FLAGS + 4}
  %units_ptr = inttoptr i64 %units_at to i32*
  %units = load i32, i32* %units_ptr
  %count = zext i32 %units to i64
  %clock_at = add i64 %state, {8 * W.CLOCK}
  %clock_ptr = inttoptr i64 %clock_at to i64*
  %clock = load i64, i64* %clock_ptr
  %after = add i64 %clock, %count
  %deadline_at = add i64 %state, {8 * W.DEADLINE}
  %deadline_ptr = inttoptr i64 %deadline_at to i64*
  %deadline = load i64, i64* %deadline_ptr
  %in_time = icmp ule i64 %after, %deadline
  %calm = icmp eq i64 %attention, 0
  %go = and i1 %in_time, %calm
  br i1 %go, label %fast, label %slow
fast:
  %runs_ptr = inttoptr i64 %slot to i64*
  %runs = load i64, i64* %runs_ptr
  %more = add i64 %runs, 1
  store i64 %more, i64* %runs_ptr
  store i64 %after, i64* %clock_ptr
  %current_at = add i64 %state, {8 * W.CURRENT_TB}
  %current_ptr = inttoptr i64 %current_at to i64*
  store i64 %block, i64* %current_ptr
  ret void
slow:
  %slow_function = inttoptr i64 SLOW_ADDRESS to void (i64, i64, i32, i64)*
  tail call void %slow_function(i64 %uc, i64 %pc, i32 %size, i64 %state)
  ret void
}}
"""


@cache
def _compiled() -> tuple[object, int]:
    """(the engine that owns the code, the hook's address); compiled once in a process."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    module = binding.parse_assembly(_IR.replace("SLOW_ADDRESS", str(on_block.address)))
    module.verify()
    machine = binding.Target.from_default_triple().create_target_machine(opt=3)
    owner = binding.create_mcjit_compiler(module, machine)
    owner.finalize_object()
    return owner, int(owner.get_function_address("enter_block"))


def address() -> int:
    """Address of the block hook."""
    return _compiled()[1]
