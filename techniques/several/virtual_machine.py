"""One VM of several: a technique with its guest, its context while it does not run, and what it was seen to do."""

from __future__ import annotations

from collections.abc import Mapping

from hardware_model import counters as counter_table
from hardware_model import processor_context
from hardware_model.machine import End, Machine
from hardware_model.processor_context import ProcessorContext
from hardware_model.profile import Share
from techniques import io_models
from techniques.assignment import Assignment
from techniques.guest import BootImage
from techniques.guest_errors import GUEST_ERRORS
from techniques.knobs import Value
from techniques.region_of_interest import RegionOfInterest
from techniques.technique import Technique

_SWITCHES = counter_table.index("world.switch")


class VirtualMachine:
    """A VM that was built on `machine` while `context` was current, in that context's partition.

    `guest` is its technique; `partition` its part of machine memory; `end` how it ended, None while it has not;
    `failure` a sentence if the model could not go on with it; `region` its region of interest.
    """

    def __init__(
        self,
        machine: Machine,
        context: ProcessorContext,
        kind: type[Technique],
        image: BootImage,
        settings: Mapping[str, Value],
        io: str = io_models.EMULATED,
        assignment: Assignment | None = None,
    ) -> None:
        self._machine, self._context = machine, context
        self.partition = context.partition
        self._events = counter_table.new()
        self._since = machine.counters.copy()
        self._running = False
        self.end: End | None = None
        self.failure = ""
        self._begin_turn()
        self.guest = kind(machine, image, settings)
        self.guest.assignment = assignment
        io_models.connect(self.guest, io)
        self.region = RegionOfInterest(machine, self.counters)
        self.guest.start()
        self._end_turn()

    @property
    def memory_bytes(self) -> int:
        """Machine memory of the VM: its VMM's and its guest's."""
        return self.partition.end - self.partition.base

    def run(self, units: int, budget: int) -> None:
        """Let the guest run for a slice of `units` of its virtual time; `budget` is its limit over all slices."""
        self._begin_turn()
        self._machine.counters[_SWITCHES] += 1
        now = self._machine.now
        try:
            end = self.guest.resume(max(budget - now, 1), now + units)
            if end is not End.PAUSED:
                self.end = end
                self.guest.finish()
        except GUEST_ERRORS as error:
            self.end, self.failure = End.REQUESTED, str(error)
        finally:
            self._end_turn()

    def visit(self) -> None:
        """Put the VM's context on the processor, to look into its guest; `leave` takes it off again."""
        self._begin_turn()

    def leave(self) -> None:
        """See `visit`."""
        self._end_turn()

    def _begin_turn(self) -> None:
        self._since = self._machine.counters.copy()
        processor_context.load(self._machine, self._context)
        self._running = True

    def _end_turn(self) -> None:
        self._events += self._machine.counters - self._since
        self._context = processor_context.save(self._machine)
        self._running = False

    def counters(self) -> counter_table.CounterArray:
        """What this VM and its VMM did."""
        events, words = self._events, self._context.words
        if self._running:
            events = events + (self._machine.counters - self._since)
            words = self._machine.words
        share = Share(events, words, self.partition.base, self.partition.end)
        return self._machine.profile.counters(share)
