"""The engine: Unicorn inside its own guest mode, with the native event layer installed.

`Engine` owns the machine's memory buffer and the native state words; it starts and stops execution
and hands events to one Python callable. It knows neither devices nor VMMs.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import unicorn
from unicorn.unicorn_py3.unicorn import uclib

from hardware_model import counters as counter_table
from hardware_model.executor import build, hooks
from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.calibration import find_cpu
from hardware_model.executor.corrections import CORRECTIONS
from hardware_model.executor.guest_mode import PRIVATE_BYTES, GuestMode
from hardware_model.executor.registers import Registers, RflagsAccess
from hardware_model.executor.slots import SLOT_WORDS
from hardware_model.executor.vmm_paging import NOWHERE, on_flush, on_invlpg, on_probe
from hardware_model.vectors import EXCEPTION_VECTORS

EventHandler = Callable[[int], int]
_binding: Any = unicorn  # the binding is not typed
PAGE = 4096
SLOTS = 1 << 19
CODE_BYTES = 1 << 26
NO_DEADLINE = 1 << 63
_EVENT_PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64)
_VMM_INVLPG = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64)
_VMM_FLUSH = ctypes.CFUNCTYPE(None, ctypes.c_uint64)
_VMM_PROBE = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64)
_WORD, _SIZE, _PAGES = struct.Struct("<Q"), struct.Struct("<H"), struct.Struct("<2Q")
_TB_BYTES = max(L.TB_PC + 8, L.TB_SIZE + 2, L.TB_PAGE_ADDRESS + 16)


class Engine:
    """One processor of `ram_bytes` of machine memory.

    `ram` is the memory as uint8, `ram64` as uint64; `registers` the CPU state; `words` the native state words.
    `word_view` is a view of them, an item of which costs a third of the array's. `mmu` is the state array of the
    modelled MMU, `counters` the counter array.
    """

    def __init__(
        self, ram_bytes: int, mmu: np.ndarray, counters: counter_table.CounterArray
    ) -> None:
        build.check()
        self.ram_bytes = ram_bytes
        self._raw = np.zeros(ram_bytes + PRIVATE_BYTES + PAGE, np.uint8)
        start = -self._raw.ctypes.data % PAGE
        self._all = self._raw[start : start + ram_bytes + PRIVATE_BYTES]
        self.ram, self.private = self._all[:ram_bytes], self._all[ram_bytes:]
        self.ram64 = self.ram.view(np.uint64)
        self._octets = self.ram.data  # a slice of it costs a third of the array's
        self.mmu = mmu
        self.counters = counters
        self.words = np.zeros(W.WORDS, np.uint64)
        self.word_view: memoryview = self.words.data
        self._on_event: EventHandler | None = None
        self.error: BaseException | None = None
        self._event_time, self._events = 0, 0
        self._uc: Any = _binding.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        self._uc.ctl_set_cpu_model(unicorn.x86_const.UC_CPU_X86_EPYC)
        self._uc.mem_map_ptr(0, len(self._all), unicorn.UC_PROT_ALL, self._all.ctypes.data)
        self._handle = int(self._uc._uch.value or 0)
        self.cpu = find_cpu(self._uc, self._handle)
        self._allocate_profile()
        self._fill_words()
        hooks.install(self._handle, self.cpu, self.words.ctypes.data)
        self._at = self.words.ctypes.data
        self._on_invlpg = _VMM_INVLPG(on_invlpg.address)
        self._on_flush = _VMM_FLUSH(on_flush.address)
        self._on_probe = _VMM_PROBE(on_probe.address)
        self._code_view = self.word_view.cast("B")[8 * W.CODE : 8 * W.CODE + 16]
        functions = self._function
        self.registers = Registers(
            self.cpu + L.ENV,
            self.words,
            RflagsAccess(
                self.cpu + L.ENV,
                functions("helper_read_eflags_x86_64"),
                functions("helper_write_eflags_x86_64"),
            ),
        )
        self.guest_mode = GuestMode(self)
        self.guest_mode.enter()
        self._forget_power_on()

    def _allocate_profile(self) -> None:
        self.slots = np.zeros((SLOTS, SLOT_WORDS), np.uint64)
        self.code_bytes = np.zeros(CODE_BYTES + 16, np.uint8)
        self.corrections = np.zeros((CORRECTIONS, 2), np.uint64)
        self.fetched = np.zeros(len(self._all) // PAGE + 1, np.uint8)

    def _forget_power_on(self) -> None:
        self.slots[: int(self.words[W.SLOT_COUNT]), 0] = 0
        self.corrections[:] = 0
        self.words[W.CLOCK] = 0
        self.words[W.MOV_SS_CLOCK] = self.words[W.MARKER_CLOCK] = W.NEVER
        self.counters[:] = 0

    @staticmethod
    def _function(name: str) -> int:
        address = ctypes.cast(getattr(uclib, name), ctypes.c_void_p).value
        assert address is not None
        return address

    def _fill_words(self) -> None:
        w = self.words
        vectors = np.zeros(32, np.uint64)
        for vector in EXCEPTION_VECTORS:
            vectors[vector.number] = counter_table.index(f"exception.{vector.mnemonic}")
        self._vector_counters = vectors
        places = {
            W.UC: self._handle,
            W.CPU: self.cpu,
            W.ENV: self.cpu + L.ENV,
            W.RAM: self.ram.ctypes.data,
            W.RAM_BYTES: self.ram_bytes,
            W.MMU: self.mmu.ctypes.data,
            W.MMU_WORDS: len(self.mmu),
            W.COUNTERS: self.counters.ctypes.data,
            W.COUNTER_COUNT: len(self.counters),
            W.FETCHED: self.fetched.ctypes.data,
            W.SLOTS: self.slots.ctypes.data,
            W.SLOT_LIMIT: SLOTS,
            W.CODE_BYTES: self.code_bytes.ctypes.data,
            W.CODE_BYTES_LIMIT: CODE_BYTES,
            W.CORRECTIONS: self.corrections.ctypes.data,
            W.VECTOR_COUNTERS: vectors.ctypes.data,
            W.DEADLINE: NO_DEADLINE,
            W.MODE: W.Mode.POWER_ON,
        }
        for word, value in places.items():
            w[word] = value
        for position, name in enumerate(L.EXPORTS):
            w[W.F_DO_INTERRUPT + position] = self._function(name)
        self._event_callback = _EVENT_PROTOTYPE(self._dispatch)
        w[W.F_EVENT] = ctypes.cast(self._event_callback, ctypes.c_void_p).value or 0

    def _dispatch(self, kind: int) -> int:
        try:
            assert self._on_event is not None
            now = self.word_view[W.CLOCK]
            if now == self._event_time:
                self._no_progress()
            else:
                self._event_time, self._events = now, 0
            return self._on_event(kind)
        except BaseException as error:  # must not cross the engine's frames
            self.error = error
            self.words[W.STOP] = W.Stop.ERROR
            return 0

    def _no_progress(self) -> None:
        """End the run if nothing but events happens: see `words.FAULT_LIMIT`."""
        self._events += 1
        if self._events == W.FAULT_LIMIT:
            self.words[W.STOP] = W.Stop.BUDGET

    def run(self, on_event: EventHandler) -> W.Stop:
        """Execute from the current state until STOP is set; returns the reason. Events go to
        `on_event(kind) -> answer`.

        An exception raised by `on_event` stops the engine and is raised here.
        """
        self._on_event = on_event
        self.words[W.STOP] = W.Stop.RUNNING
        self._request_window()
        self._uc.emu_start(self.registers.rip, 0)
        stop = W.Stop(int(self.words[W.STOP]))
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return stop

    def _request_window(self) -> None:
        """Stopping withdrew the request of an interrupt-window exit, or of a virtual interrupt."""
        if self.words[W.WINDOW] or self.words[W.VIRTUAL_INTERRUPT]:
            request = ctypes.c_uint32.from_address(self.cpu + L.CPU_INTERRUPT_REQUEST)
            request.value |= L.INTERRUPT_VIRQ

    def raise_nmi(self) -> None:
        """Raise the processor's NMI pin: an edge, so with one NMI pending another one changes nothing."""
        self.words[W.NMI_PENDING] = 1
        self.words[W.DEADLINE] = self.words[W.CLOCK]

    @property
    def nmi_waits(self) -> bool:
        """Whether an NMI waits for the processor, and none that it handles blocks it: it ends a halt."""
        words = self.word_view
        virtual = words[W.NMI_RULE] == W.NmiRule.VIRTUAL
        return bool(words[W.NMI_PENDING]) and (virtual or not self.registers.nmi_blocked)

    def stop(self, reason: W.Stop) -> None:
        """Stop the engine when the current event has been handled."""
        self.word_view[W.STOP] = reason

    def write_code_safe(self, address: int, data: bytes) -> bool:
        """Write machine memory for a VMM or a device; True if translations of code had to be dropped."""
        end = address + len(data)
        self._octets[address:end] = data
        return self.drop_code(address, end)

    def drop_code(self, address: int, end: int) -> bool:
        """Drop translations of code in [address, end) of machine memory that was written behind the engine's back."""
        first, last = address >> 12, (end - 1) >> 12
        fetched = self.fetched
        if not (fetched.item(first) if first == last else fetched[first : last + 1].any()):
            return False
        _invalidate(self._handle, address, end)
        return True

    def intercepted_instruction(self) -> bytes:
        """The code of the instruction that was intercepted last, no byte more."""
        return self._code_view[: self.word_view[W.INSTRUCTION_LENGTH]].tobytes()

    def instruction_bytes(self) -> bytes:
        """Code bytes of the instruction of the last event, up to 15 (fewer at the end of its block)."""
        block = ctypes.string_at(self.word_view[W.LAST_TB], _TB_BYTES)
        (start,) = _WORD.unpack_from(block, L.TB_PC)
        (size,) = _SIZE.unpack_from(block, L.TB_SIZE)
        pages = _PAGES.unpack_from(block, L.TB_PAGE_ADDRESS)
        pc = self.word_view[W.INSTRUCTION_PC]
        end, boundary = min(pc + 15, start + size), (start | 0xFFF) + 1
        if end <= boundary:
            return self._code(pages[0], pc, end)
        if pc >= boundary:
            return self._code(pages[1], pc, end)
        return self._code(pages[0], pc, boundary) + self._code(pages[1], boundary, end)

    def _code(self, page: int, first: int, last: int) -> bytes:
        """Bytes of linear addresses [first, last) in a machine page."""
        at = page & ~0xFFF | first & 0xFFF
        return self.ram[at : at + last - first].tobytes()

    def forget_translations(self) -> None:
        """Drop all translated code and the engine's TLB: memory and registers were replaced."""
        self._uc.ctl_flush_tb()
        self.flush_tlb()

    def flush_tlb(self) -> None:
        """Empty the engine's TLB (not the modelled ones)."""
        _tlb_flush(self.cpu)

    def invalidate_page(self, linear: int) -> None:
        """Drop the translations of `linear` under the current tag, global ones too, from the models and the engine."""
        self._on_invlpg(self._at, linear)

    def probe(self, linear: int) -> int | None:
        """Machine address of `linear` by the current tables, whatever the access rights, without any side effect."""
        address: int = self._on_probe(self._at, linear)
        return None if address == NOWHERE else address

    def flush_current_tag(self) -> None:
        """Drop every translation of the current VPID, global ones too, from the models and the engine."""
        self._on_flush(self._at)

    def set_cr(self, number: int, value: int) -> None:
        """Load CR0, CR3 or CR4 with the engine's derived state."""
        _UPDATE_CR[number](self.cpu + L.ENV, value)
        self.registers.follow_bounds()

    def set_dr(self, number: int, value: int) -> None:
        """MOV to a debug register, which arms breakpoints."""
        _set_dr(self.cpu + L.ENV, number, value)


def _library(name: str, *parameters: type) -> Callable[..., None]:
    prototype = ctypes.CFUNCTYPE(None, *parameters)
    return prototype(Engine._function(name))


_invalidate = _library(
    "tb_invalidate_phys_range_x86_64", ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64
)
_tlb_flush = _library("tlb_flush_x86_64", ctypes.c_void_p)
_set_dr = _library("helper_set_dr_x86_64", ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64)
_UPDATE_CR = {
    0: _library("cpu_x86_update_cr0_x86_64", ctypes.c_void_p, ctypes.c_uint32),
    3: _library("cpu_x86_update_cr3_x86_64", ctypes.c_void_p, ctypes.c_uint64),
    4: _library("cpu_x86_update_cr4_x86_64", ctypes.c_void_p, ctypes.c_uint32),
}
