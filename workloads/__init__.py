"""Guest programs: a small kernel in assembly and the workloads that run on it.

find(name) and all() give `Workload`s; `Workload.image()` is what a machine boots.
"""

from workloads.catalogue import all, find, linux
from workloads.errors import AssemblyError, UnknownWorkload, WorkloadError
from workloads.image import Image
from workloads.linux.workload import LinuxWorkload
from workloads.linux.workload import named as anybodys
from workloads.workload import Workload

__all__ = [
    "AssemblyError",
    "Image",
    "LinuxWorkload",
    "UnknownWorkload",
    "Workload",
    "WorkloadError",
    "all",
    "anybodys",
    "find",
    "linux",
]
