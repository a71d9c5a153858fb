"""The virtual-APIC page's rules against another machine's: the local APIC chip, which knows nothing of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hardware_model.cpu.virtual_apic import VirtualApic
from hardware_model.devices.local_apic import IRR, ISR, PPR, SVR, TPR, LocalApic
from hardware_model.machine import Machine
from hardware_model.vmx.capabilities import capabilities_of
from hardware_model.vmx.controls import Primary, Secondary
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from hardware_model.vmx.layout import PAGE_BYTES
from hardware_model.vmx.vmcs import Vmcs

RAM, PAGE = 2 << 20, 0x5000
MACHINE = Machine(RAM)
VECTORS = st.integers(16, 255)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("request"), st.sets(VECTORS, min_size=1, max_size=4)),
        st.tuples(st.just("priority"), st.integers(0, 255)),
        st.tuples(st.just("take"), st.none()),
        st.tuples(st.just("end"), st.none()),
    ),
    max_size=40,
)


def virtual() -> VirtualApic:
    MACHINE.engine.ram[PAGE : PAGE + PAGE_BYTES] = 0
    vmcs = Vmcs(capabilities_of(FeatureLevel.VIRTUAL_APIC))
    vmcs.write(Field.VIRTUAL_APIC_ADDRESS, PAGE)
    vmcs.write(Field.PRIMARY_CONTROLS, Primary.USE_TPR_SHADOW)
    vmcs.write(Field.SECONDARY_CONTROLS, Secondary.VIRTUAL_INTERRUPT_DELIVERY)
    return VirtualApic(MACHINE, vmcs)


def chip() -> LocalApic:
    apic = LocalApic(lambda: 0, *[lambda: None] * 3)
    apic.write_register(SVR, 4, 0x1FF)
    return apic


def registers(apic: LocalApic, first: int) -> int:
    return sum(apic.read_register(first + 16 * n, 4) << 32 * n for n in range(8))


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_it_takes_the_same_interrupts_in_the_same_order_as_the_chip(steps) -> None:
    mine, other = virtual(), chip()
    mine.prioritize()
    for what, value in steps:
        if what == "request":
            mine.request(sum(1 << vector for vector in value))
            for vector in value:
                other.request(vector)
        elif what == "priority":
            mine.page.set_register(TPR, value)
            mine.written(TPR)
            other.write_register(TPR, 4, value)
        elif what == "take" and mine.recognized:
            assert mine.deliver() == other.acknowledge()
            mine.evaluate()
        elif what == "end":
            mine.end_of_interrupt()
            other.end_of_interrupt()
        assert mine.recognized == other.deliverable
        assert mine.page.vectors(IRR) == registers(other, IRR)
        assert mine.page.vectors(ISR) == registers(other, ISR)
        assert mine.page.register(PPR) >> 4 == other.read_register(PPR, 4) >> 4
