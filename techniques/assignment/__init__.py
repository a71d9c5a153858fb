"""The VMM's driver of the remapping unit: protection domains for assigned devices, and what faults report."""

from techniques.assignment.assignment import Assignment
from techniques.assignment.domain import ProtectionDomain
from techniques.assignment.fault_report import Fault
from techniques.assignment.unmapping import DEFERRED, POLICIES, STRICT, UNMAP_POLICY

__all__ = [
    "DEFERRED",
    "POLICIES",
    "STRICT",
    "UNMAP_POLICY",
    "Assignment",
    "Fault",
    "ProtectionDomain",
]
