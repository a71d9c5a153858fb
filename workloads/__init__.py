"""Guest programs: a small kernel in assembly and the workloads that run on it.

find(name) and all() give `Workload`s; `Workload.image()` is what a machine boots.
"""

from workloads.catalogue import all, find
from workloads.errors import AssemblyError, UnknownWorkload, WorkloadError
from workloads.image import Image
from workloads.workload import Workload

__all__ = [
    "AssemblyError",
    "Image",
    "UnknownWorkload",
    "Workload",
    "WorkloadError",
    "all",
    "find",
]
