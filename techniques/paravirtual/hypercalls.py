"""Dispatch of hypercalls by number, and multicall."""

from __future__ import annotations

from collections.abc import Callable

from hardware_model import counters as counter_table
from hardware_model.counter_groups import HYPERCALL_NUMBERS, MULTICALL_SIZES
from hardware_model.machine import End, Machine
from hardware_model.platform import Platform
from techniques.paravirtual.abi import Errno, HypercallError
from techniques.paravirtual.continuation import Continuation
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.grant_hypercalls import GrantHypercalls
from techniques.paravirtual.hypercall_table import BY_NAME, HYPERCALLS
from techniques.paravirtual.information_hypercalls import InformationHypercalls
from techniques.paravirtual.memory_hypercalls import MemoryHypercalls
from techniques.paravirtual.processor_hypercalls import ProcessorHypercalls

_UNIMPLEMENTED = counter_table.index("hypercall.unimplemented")
_BY_NUMBER = [
    counter_table.index(f"hypercall.unimplemented.{number}")
    for number in (*range(HYPERCALL_NUMBERS), "other")
]
_BY_SIZE = [counter_table.index(f"pv.multicall.{size}") for size in MULTICALL_SIZES]
_CONTINUATIONS = counter_table.index("pv.continuation")
_MULTICALL_ENTRIES = counter_table.index("pv.multicall_entry")
_COUNTERS = {call.number: counter_table.index(f"hypercall.{call.name}") for call in HYPERCALLS}
_IRET, _MULTICALL = BY_NAME["iret"].number, BY_NAME["multicall"].number
_MASK = (1 << 64) - 1
_UNSIGNED = (1 << 32) - 1
_RECORD = 64  # bytes of a call in a multicall
_RAX, _RCX, _R11 = 0, 1, 11
_ARGUMENTS = (7, 6, 2, 10, 8, 9)  # RDI RSI RDX R10 R8 R9
_SYSCALL_BYTES = 2


class Hypercalls:
    """All hypercalls of one domain; those that the hypervisor lacks are counted by number."""

    def __init__(self, machine: Machine, domain: Domain, platform: Platform) -> None:
        self._machine = machine
        self._counts = machine.counters.data
        self._domain = domain
        memory = MemoryHypercalls(machine, domain)
        processor = ProcessorHypercalls(machine, domain)
        grants = GrantHypercalls(domain)
        information = InformationHypercalls(domain, platform)
        methods: dict[str, Callable[..., int]] = {
            "multicall": self.multicall,
            "event_channel_op": lambda command, argument, *_: domain.events.operation(
                command, argument
            ),
        }
        for call in HYPERCALLS:
            for owner in (memory, processor, grants, information):
                if hasattr(owner, call.name):
                    methods[call.name] = getattr(owner, call.name)
        self._handlers = {BY_NAME[name].number: method for name, method in methods.items()}

    def enter(self, number: int) -> None:
        """The guest's SYSCALL at RIP: call `number` with the arguments in its registers, and what it finds afterwards.

        RIP and RAX stay as they are if the call is not finished, so that the guest goes on with it.
        """
        registers, gpr = self._machine.registers, self._machine.registers.gpr
        values = gpr.tolist()
        arguments = tuple([values[register] for register in _ARGUMENTS])
        following = registers.rip + _SYSCALL_BYTES
        gpr[_RCX], gpr[_R11] = following, registers.rflags
        preemption = self._domain.preemption
        preemption.enter()
        try:
            gpr[_RAX] = self.call(number, arguments) & _MASK
            registers.rip = following
        except Continuation as more:
            self._counts[_CONTINUATIONS] += 1
            for register, value in zip(_ARGUMENTS, more.arguments, strict=False):
                gpr[register] = value & _MASK
        if preemption.leave():
            self._machine.end(End.BUDGET)

    def call(self, number: int, arguments: tuple[int, ...]) -> int:
        """Execute one hypercall; its result as the guest sees it, errors negative. Continuation: it is not finished."""
        counter = _COUNTERS.get(number)
        if counter is not None:
            self._counts[counter] += 1
        handler = self._handlers.get(number)
        if handler is None:
            self._lacking(number)
            return -Errno.ENOSYS
        try:
            return handler(*arguments)
        except HypercallError as error:
            self._domain.rejected(error)
            if error.errno is Errno.ENOSYS:
                self._lacking(number)
            return -error.errno

    def _lacking(self, number: int) -> None:
        self._counts[_UNIMPLEMENTED] += 1
        self._counts[_BY_NUMBER[min(number, HYPERCALL_NUMBERS)]] += 1

    def multicall(self, entries: int, count: int, *_: int) -> int:
        """Execute `count` records (number, result, six arguments) in order; each gets its own result."""
        count &= _UNSIGNED
        if count:
            self._counts[_BY_SIZE[min(count.bit_length(), len(_BY_SIZE)) - 1]] += 1
        for at in range(entries, entries + _RECORD * count, _RECORD):
            left = count - (at - entries) // _RECORD
            if left < count and self._domain.preemption.due():
                raise Continuation(at, left)
            try:
                self._one_of_multicall(at)
            except Continuation as more:
                self._domain.memory.pack(f"{len(more.arguments)}Q", at + 16, *more.arguments)
                raise Continuation(at, left) from None
        return 0

    def _one_of_multicall(self, at: int) -> None:
        memory = self._domain.memory
        number, _result, *arguments = memory.unpack("8Q", at)
        self._counts[_MULTICALL_ENTRIES] += 1
        if number in (_MULTICALL, _IRET):
            result = -Errno.ENOSYS if number == _IRET else -Errno.EINVAL
        else:
            result = self.call(number, tuple(arguments))
        memory.pack("Q", at + 8, result & _MASK)
