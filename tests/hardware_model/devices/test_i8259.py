"""The two 8259A controllers by their data sheet, and their way to the processor."""

from __future__ import annotations

import pytest

from hardware_model.devices.i8259 import InterruptControllers
from hardware_model.devices.local_apic import (
    EXTINT_CLASS,
    LVT_EXTINT,
    LVT_LINT0,
    LVT_MASKED,
    SVR,
    LocalApic,
)


def _initialized() -> InterruptControllers:
    """As every PC's firmware and kernel do: vectors 0x30 and 0x38, everything unmasked."""
    pics = InterruptControllers(lambda: None)
    for port, words in ((0x20, (0x11, 0x30, 0x04, 0x01)), (0xA0, (0x11, 0x38, 0x02, 0x01))):
        pics.write_port(port, 1, words[0])
        for word in words[1:]:
            pics.write_port(port + 1, 1, word)
    return pics


def test_after_power_on_every_input_is_masked() -> None:
    pics = InterruptControllers(lambda: None)
    pics.line(0, True)
    assert not pics.output


@pytest.mark.parametrize(("irq", "vector"), [(0, 0x30), (7, 0x37), (8, 0x38), (15, 0x3F)])
def test_a_rising_edge_gives_the_vector_of_its_input_once(irq: int, vector: int) -> None:
    pics = _initialized()
    pics.line(irq, True)
    assert pics.output
    assert pics.acknowledge() == vector
    pics.write_port(0xA0, 1, 0x20)
    pics.write_port(0x20, 1, 0x20)
    assert not pics.output, "a line that stays high is no new edge"


def test_an_input_of_higher_priority_interrupts_one_in_service_and_no_other() -> None:
    pics = _initialized()
    pics.line(4, True)
    assert pics.acknowledge() == 0x34
    pics.line(5, True)
    assert not pics.output
    pics.line(1, True)
    assert pics.acknowledge() == 0x31
    pics.write_port(0x20, 1, 0x61)  # specific EOI of 1
    assert not pics.output
    pics.write_port(0x20, 1, 0x20)  # EOI of 4
    assert pics.acknowledge() == 0x35


def test_a_masked_request_waits() -> None:
    pics = _initialized()
    pics.write_port(0x21, 1, 0xFF)
    pics.line(3, True)
    assert not pics.output
    pics.write_port(0x21, 1, 0xF7)
    assert pics.acknowledge() == 0x33


def test_a_request_that_goes_away_gives_the_spurious_vector() -> None:
    pics = _initialized()
    pics.line(3, True)
    pics.line(3, False)
    assert not pics.output
    assert pics.acknowledge() == 0x37
    pics.write_port(0x20, 1, 0x0B)
    assert pics.read_port(0x20, 1) == 0, "a spurious interrupt is not in service"


def test_a_master_input_waits_while_a_slave_input_is_in_service_until_both_are_ended() -> None:
    pics = _initialized()
    pics.line(9, True)
    assert pics.acknowledge() == 0x39
    pics.line(5, True)
    pics.write_port(0xA0, 1, 0x20)
    assert not pics.output
    pics.write_port(0x20, 1, 0x20)
    assert pics.acknowledge() == 0x35


def test_irr_isr_and_imr_can_be_read() -> None:
    pics = _initialized()
    pics.write_port(0x21, 1, 0x02)
    pics.line(0, True)
    pics.line(1, True)
    assert (pics.read_port(0x20, 1), pics.read_port(0x21, 1)) == (0b11, 0b10)
    pics.acknowledge()
    pics.write_port(0x20, 1, 0x0B)
    assert pics.read_port(0x20, 1) == 0b01


def test_automatic_end_of_interrupt_leaves_nothing_in_service() -> None:
    pics = _initialized()
    for port, word in ((0x20, 0x11), (0x21, 0x30), (0x21, 4), (0x21, 3)):
        pics.write_port(port, 1, word)
    pics.line(6, True)
    assert pics.acknowledge() == 0x36
    pics.line(7, True)
    assert pics.acknowledge() == 0x37


def test_rotation_makes_the_input_just_served_the_last() -> None:
    pics = _initialized()
    for irq in (0, 1):
        pics.line(irq, True)
    assert pics.acknowledge() == 0x30
    pics.write_port(0x20, 1, 0xA0)  # rotate on non-specific EOI
    pics.line(0, False)
    pics.line(0, True)
    assert [pics.acknowledge(), pics.output] == [0x31, False]


def test_saved_controllers_restore() -> None:
    pics, other = _initialized(), InterruptControllers(lambda: None)
    pics.line(12, True)
    other.restore(pics.save())
    assert other.acknowledge() == pics.acknowledge() == 0x3C


def _apic(pics: InterruptControllers) -> LocalApic:
    apic = LocalApic(lambda: 0, *[lambda: None] * 3)
    apic.external = pics
    return apic


def test_virtual_wire_passes_the_controllers_interrupts_whatever_the_task_priority() -> None:
    pics = _initialized()
    apic = _apic(pics)
    pics.line(4, True)
    assert not apic.deliverable, "LINT0 is masked at power-on"
    apic.write_register(SVR, 4, 0x1FF)
    apic.write_register(LVT_LINT0, 4, LVT_EXTINT)
    apic.task_priority = 0xFF
    assert (apic.pending_class, apic.deliverable) == (EXTINT_CLASS, True)
    assert apic.acknowledge() == 0x34
    assert not apic.deliverable


def test_switching_the_apic_off_by_software_masks_its_local_vectors() -> None:
    pics = _initialized()
    apic = _apic(pics)
    apic.write_register(SVR, 4, 0x1FF)
    apic.write_register(LVT_LINT0, 4, LVT_EXTINT)
    pics.line(4, True)
    apic.write_register(SVR, 4, 0xFF)
    assert not apic.deliverable
    assert apic.read_register(LVT_LINT0, 4) == LVT_EXTINT | LVT_MASKED
