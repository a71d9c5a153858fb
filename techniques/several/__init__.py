"""Several VMs on one machine: each with its own VMM, memory, devices and time; the processor goes round."""

from techniques.several.beside import BESIDE, Neighbour
from techniques.several.round_robin import SLICE, RoundRobin
from techniques.several.virtual_machine import VirtualMachine

__all__ = ["BESIDE", "SLICE", "Neighbour", "RoundRobin", "VirtualMachine"]
