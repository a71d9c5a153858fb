"""The tests to make pass: guests run on what the exercises fill in, and must not notice a difference."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path
from types import ModuleType

from iced_x86 import Code

import workloads
from hardware_model.devices.dma import DmaBlocked
from hardware_model.machine import Machine
from hardware_model.vmx.exit_reasons import Reason
from techniques import run_guest
from techniques.assignment import assignment
from techniques.deprivileged.instructions import HANDLERS
from techniques.frames import FrameAllocator
from techniques.hvm import exit_handlers
from techniques.paravirtual.processor_hypercalls import ProcessorHypercalls
from techniques.shadow.policies import POLICIES

_HERE = Path(__file__).parent
_FOLDER = _HERE / "answers" if os.environ.get("TRAPBENCH_ANSWERS") else _HERE


def solution(name: str) -> ModuleType:
    """The file to fill in; with TRAPBENCH_ANSWERS=1 the reference answer."""
    spec = importlib.util.spec_from_file_location(name, _FOLDER / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def counters_if_as_native(technique: str, workload: str, **knobs: str) -> dict[str, int]:
    """Run the workload natively and under the technique; what it counted, if the outcomes agree."""
    found = workloads.find(workload)
    native = run_guest("native", found, "small")
    chosen = {name.replace("_", "."): value for name, value in knobs.items()}
    other = run_guest(technique, found, "small", knobs=chosen)
    assert other.status == "ok", other.reason
    for part, digest in other.outcome_parts.items():
        assert digest == native.outcome_parts[part], f"the guest's {part} differ from native"
    return other.counters_total


def test_exit_handler(monkeypatch):
    handler = solution("1_exit_handler").handle_cpuid
    monkeypatch.setitem(exit_handlers.HANDLERS, Reason.CPUID, handler)
    assert counters_if_as_native("hvm-ept", "exit/cpuid")["exit.cpuid"] >= 2000
    counters_if_as_native("hvm-shadow", "sensitive/probe")


def test_callout(monkeypatch):
    exchange_bases = solution("2_callout").exchange_bases
    monkeypatch.setitem(HANDLERS, Code.SWAPGS, exchange_bases)
    assert counters_if_as_native("bt", "kernel/null-call")["bt.callout.emulate"] >= 8000
    counters_if_as_native("bt", "sensitive/probe")


def test_hypercall(monkeypatch):
    answer = solution("3_hypercall").stack_switch
    monkeypatch.setattr(ProcessorHypercalls, "stack_switch", answer)
    assert counters_if_as_native("pv", "kernel/context-switch")["hypercall.stack_switch"] > 100


def test_shadow_policy(monkeypatch):
    monkeypatch.setitem(POLICIES, "virtual-tlb", solution("4_shadow_policy").VirtualTlb)
    suite = ("nano/ptemod-p-to-np", "kernel/mmap-munmap", "exit/invlpg")
    found = [counters_if_as_native("hvm-shadow", w, shadow_policy="virtual-tlb") for w in suite]
    assert sum(counters.get("exit.invlpg", 0) for counters in found) > 3000


def test_iotlb_invalidation(monkeypatch):
    monkeypatch.setattr(assignment, "Strict", solution("5_iotlb_invalidation").Strict)
    attacked = run_guest("hvm-ept", workloads.find("isolation/dma@stale"), "small")
    assert attacked.status == "ok", attacked.reason
    assert attacked.counters_total["vtd.iotlb.invalidate.page"] > 0
    assert still_reached(unmap=(7, 9)) == [6, 9]
    assert still_reached(unmap=(8, 9)) == [6, 7, 9]


def still_reached(unmap: tuple[int, int]) -> list[int]:
    """Pages 6 to 9 that a device reaches after a range was unmapped."""
    machine = Machine(16 << 20)
    driver = assignment.Assignment(machine, FrameAllocator(1 << 20, 4 << 20))
    driver.enable()
    domain = driver.new_domain()
    driver.attach(0x0018, domain)
    domain.map(6 << 12, 8 << 20, 4 << 12)
    for page in range(6, 10):
        machine.remapping.read(0x0018, page << 12, 4)
    domain.unmap(unmap[0] << 12, (unmap[1] - unmap[0]) << 12)
    reached = []
    for page in range(6, 10):
        with contextlib.suppress(DmaBlocked):
            machine.remapping.read(0x0018, page << 12, 4)
            reached.append(page)
    return reached
