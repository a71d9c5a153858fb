"""Debian's unmodified kernel through its Xen PV entry: the conformance test of hypercalls and of direct paging."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import pytest

import techniques
import workloads
from hardware_model import counters
from hardware_model.counter_groups import HYPERCALL_NUMBERS
from techniques import Outcome, Technique
from techniques.paravirtual.page_types import FrameType
from techniques.paravirtual.vmm import Paravirtual
from tests.linux import platform_words
from tests.linux.documented_boot import check_row
from tests.techniques.paravirtual.reference_model import WRITABLE, Model
from workloads.linux import kernels


@dataclass
class Ended:
    """A boot and what the hypervisor had of the domain at its end."""

    outcome: Outcome | None = None
    rejections: Counter[str] = field(default_factory=Counter)
    unimplemented: set[int] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    tables: int = 0


def look_at(guest: Technique, ended: Ended) -> None:
    """Compute every frame's type and counts once more, from pins, roots and the tables' contents."""
    assert isinstance(guest, Paravirtual)
    domain, types = guest.domain, guest.domain.types
    ended.rejections = domain.rejections
    counts = guest.machine.counters.data
    ended.unimplemented = {
        number
        for number in range(HYPERCALL_NUMBERS)
        if counts[counters.index(f"hypercall.unimplemented.{number}")]
    }
    words = guest.machine.engine.ram64
    model = Model(
        lambda frame, slot: int(words[(frame << 9) + slot]),
        frozenset(types.mfns()),
        tuple(range(512)),
        pins={mfn: int(types[mfn].type) for mfn in types.mfns() if types[mfn].pinned},
        root=domain.cpu.kernel_root >> 12,
    )
    held = [(domain.shared.vcpu >> 12, WRITABLE)]
    held += [(domain.cpu.user_root >> 12, 4)] if domain.cpu.user_root else []
    counts = model.counts(held)
    special = {*domain.gdt_frames, domain.shared.page >> 12}
    special |= {address >> 12 for address in domain.grants.frames}
    for mfn in types.mfns():
        frame, wanted = types[mfn], counts.types.get(mfn)
        if mfn in special:
            continue
        ended.tables += frame.type.is_table and bool(frame.type_count)
        expected = FrameType.WRITABLE if wanted == WRITABLE else wanted
        if frame.type_count != counts.uses[mfn] or (frame.type_count and frame.type != expected):
            ended.wrong.append(f"{mfn:#x}: {frame}, wanted {counts.uses[mfn]} as {wanted}")
        if frame.references != 1 + counts.references[mfn]:
            ended.wrong.append(f"{mfn:#x}: {frame}, wanted {counts.references[mfn]} references")


@pytest.fixture(scope="module")
def ended() -> Ended:
    workload = next(w for w in workloads.linux("") if w.name.startswith("linux/boot"))
    ended = Ended()
    outcome = techniques.run_guest(
        "pv", workload, "small", then=lambda guest: look_at(guest, ended)
    )
    assert outcome.status == "ok", f"{outcome.reason}\n{outcome.console.decode()[-3000:]}"
    ended.outcome = outcome
    return ended


def test_it_ends_as_the_native_boot_does(ended: Ended, boot) -> None:
    native = boot("native")
    for part in ("userland", "status", "result"):
        assert ended.outcome.outcome_parts[part] == native.outcome_parts[part]
    assert b"Hypervisor detected: Xen PV" in ended.outcome.console


def test_the_page_counts_what_a_boot_counts(ended: Ended) -> None:
    check_row("pv", ended.outcome)


def compare_consoles(native: bytes, ported: bytes) -> None:
    """The same lines in the same order, but for those about the platform; every subject of these comes up."""
    common = platform_words.in_common(native)
    assert platform_words.in_common(ported) == common
    assert len(common) > 150
    said = platform_words.lines(native) + platform_words.lines(ported)
    for subject, pattern in platform_words.SUBJECTS.items():
        assert any(re.match(pattern, line) for line in said), subject


def test_the_console_is_natives_but_for_what_the_kernel_says_about_its_platform(
    ended: Ended, boot
) -> None:
    compare_consoles(boot("native").console, ended.outcome.console)


@pytest.mark.soak
def test_another_major_version_says_the_same_too(boot) -> None:
    newer = str(kernels.fetched()[-1] / kernels.PLAIN)
    compare_consoles(boot("native", kernel=newer).console, boot("pv", kernel=newer).console)


def test_page_types_and_counts_are_those_that_the_tables_imply(ended: Ended) -> None:
    assert ended.tables > 200
    assert ended.wrong == []


def test_what_is_refused_is_what_xen_would_refuse(ended: Ended) -> None:
    """The kernel asks for processors until there is none, and for what it can do without."""
    others = {
        sentence: times
        for sentence, times in ended.rejections.items()
        if not sentence.startswith("there is no virtual processor")
    }
    assert set(others) <= {
        "event channel operation 11",  # FIFO event channels
        "event channel operation 13",
        "physdev_op 28",  # end of interrupts of physical devices
        "grant tables of version 2",
    }, others
    assert ended.unimplemented == {20, 32, 33, 40}  # of the last, xenpmu_op, nothing


def test_page_tables_change_by_hypercalls_and_by_emulated_stores(ended: Ended) -> None:
    counts = ended.outcome.counters_total
    assert counts["pv.mmu_update_entry"] > 10_000
    assert counts["pv.page_table_write"] > 100
    assert counts["pv.pin"] > 100
    assert counts["hypercall.multicall"] > 10
    assert "port.in" not in counts


@pytest.mark.soak
def test_another_major_version_boots_too(boot) -> None:
    newer = str(kernels.fetched()[-1] / kernels.PLAIN)
    assert boot("pv", kernel=newer).outcome_parts["result"] == "0000000000000001"


@pytest.mark.soak
@pytest.mark.parametrize(
    "workload", ["linux/busybox", "linux/fork-wait", "linux/signal", "linux/context-switch@8p16k"]
)
def test_user_programs_end_as_on_the_bare_machine(boot, workload: str) -> None:
    native, guest = boot("native", workload), boot("pv", workload)
    for part in ("userland", "status", "result"):
        assert guest.outcome_parts[part] == native.outcome_parts[part]
