"""The instruction executor: all knowledge of Unicorn's internals, and the native event layer on top of it.

layout           offsets and exported functions of the supported build
words            the native layer's state words, events, modes and intercept codes
intrinsics       raw loads, stores and calls for native code
profile          block hook: virtual time, block profile, region markers
memory_access    TLB-miss path through the modelled MMU
delivery         exceptions and interrupts through the guest's IDT
bare             what the processor does at an intercept when no VMM wants it
vmx_exits        which intercepts are VM exits
intercepts       interrupt hook: from intercept to owner
ports_and_syscall  port I/O and SYSCALL
guest_mode       entry into the engine's guest mode, intercept masks
registers        CPU state as numpy views
engine           `Engine`, the whole as a Python object
self_test        start-up check that refuses an unsupported build
"""
