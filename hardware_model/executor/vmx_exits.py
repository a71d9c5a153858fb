"""Placeholder until the VMCS offsets land."""

from hardware_model.native import inner


@inner
def intercepted_in_vmx(w, code):
    return False


@inner
def software_event_in_vmx(w, vector, breakpoint):
    return False
