"""The modelled x86-64 machine: processor, MMU, VMX and devices. It knows no VMM."""
