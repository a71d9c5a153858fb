"""The memory-management unit: page walks, translation caches, and their invalidation.

All state is one flat array of 64-bit words (`state`), so that the executor's native code and Python
see the same thing; functions marked `@native` are compiled and take that array, machine memory and
the counters as arguments.

    access          one memory access: first-level TLB, second-level TLB, page walk, fill
    walker          the page walk in the guest dimension, Intel SDM vol. 3A chapter 4
    nested          the page walk in the EPT dimension, vol. 3C section 28.3
    tlb             the set-associative arrays of translations, first in, first out
    structure_caches  the PML4E, PDPTE and PDE caches
    invalidation    INVLPG, MOV to CR3, INVPCID, INVVPID, INVEPT
    probe           a walk without side effects
    paging, ept     entry formats, and builders of tables in memory
    geometry, state sizes of the caches, and the layout of the state array
    unit            `Mmu`, the whole unit as a Python object
"""
