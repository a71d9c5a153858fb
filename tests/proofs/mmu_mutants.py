"""Broken walkers and translation caches, each by the passage of the source that it changes: module, what stands there, what then."""

from __future__ import annotations

ONE_DIMENSION = {
    "bit 63 is never reserved": (
        "walker",
        "if entry & _NX and not mmu[Word.EFER] & _NXE:",
        "if False:",
    ),
    "address bits beyond the width are not reserved": (
        "walker",
        "    if entry & address_bits_reserved(mmu):\n        return True\n",
        "",
    ),
    "low frame bits of large pages are not reserved": (
        "walker",
        "return bool(entry & FRAME & ~_PAT_LARGE & ((_ONE << shift) - _ONE))",
        "return False",
    ),
    "U/S of upper entries does not count": (
        "walker",
        "    if not entry & _US:\n        rights &= ~USER\n",
        "    rights = rights | USER if entry & _US else rights & ~USER\n",
    ),
    "NX of upper entries does not count": (
        "walker",
        "    if entry & _NX:\n        rights |= NX\n",
        "    rights = rights | NX if entry & _NX else rights & ~NX\n",
    ),
    "CR0.WP does not count": ("rights", "(not user and not mmu[Word.CR0] & _WP)", "not user"),
    "SMEP does not count": ("rights", "if mmu[Word.CR4] & _SMEP:", "if False:"),
    "SMAP does not look at AC": (
        "rights",
        "mmu[Word.CR4] & _SMAP and not ac",
        "mmu[Word.CR4] & _SMAP",
    ),
    "loads set the dirty flag": (
        "walker",
        "flags = _A | _D if leaf and kind == Kind.STORE else _A",
        "flags = _A | _D if leaf else _A",
    ),
    "stores set the dirty flag above": (
        "walker",
        "flags = _A | _D if leaf and kind == Kind.STORE else _A",
        "flags = _A | _D if kind == Kind.STORE else _A",
    ),
    "the fetch bit of the error code needs NXE": (
        "walker",
        "(mmu[Word.EFER] & _NXE or mmu[Word.CR4] & _SMEP)",
        "mmu[Word.EFER] & _NXE",
    ),
    "the error code does not tell reserved bits": (
        "walker",
        "return _page_fault(mmu, _FAULT_P | _FAULT_RSVD, kind, user)",
        "return _page_fault(mmu, _FAULT_P, kind, user)",
    ),
}
TWO_DIMENSIONS = {
    "write without read is no misconfiguration": ("nested", "if rwx in (_TWO, _SIX):", "if False:"),
    "reserved bits above a leaf are ignored": (
        "nested",
        "return bool(entry & _NON_LEAF_RESERVED)",
        "return False",
    ),
    "reserved memory types are ignored": (
        "nested",
        "if memory_type in (_TWO, _THREE, _SEVEN):",
        "if False:",
    ),
    "only a leaf's permissions count": (
        "nested",
        "        permission &= entry\n",
        "        permission = entry & _RWX\n",
    ),
    "the dirty flag is set above the leaf": (
        "nested",
        "flags = _A | _D if leaf and access & ACCESS_WRITE else _A",
        "flags = _A | _D if access & ACCESS_WRITE else _A",
    ),
    "flags are set although they are not enabled": (
        "nested",
        "flags_enabled = mmu[Word.EPTP] & _AD_ENABLED != NONE",
        "flags_enabled = True",
    ),
    "the qualification lacks the permissions": (
        "nested",
        "return _violation(mmu, gpa, access, permission, final)",
        "return _violation(mmu, gpa, access, NONE, final)",
    ),
    "the qualification lacks the final access": (
        "walker",
        "translate_guest_physical(ram, mmu, counters, gpa, _ONE << U(kind), _TRANSLATION)",
        "translate_guest_physical(ram, mmu, counters, gpa, _ONE << U(kind), NONE)",
    ),
    "with flags enabled a table is only read": (
        "nested",
        "return ACCESS_UPDATE if mmu[Word.EPTP] & _AD_ENABLED else ACCESS_READ",
        "return ACCESS_READ",
    ),
    "a flag of the guest's is set without permission to write": (
        "walker",
        "    if not rights & EPT_WRITE:\n        status",
        "    if False:\n        status",
    ),
}
CACHES = {
    "INVLPG leaves global pages": (
        "invalidation",
        "_drop_page(mmu, va, tag, _CURRENT, True)",
        "_drop_page(mmu, va, tag, _CURRENT, False)",
    ),
    "INVLPG drops one piece of a large page": (
        "access",
        "mmu[Word.FRACTURED] = ONE",
        "mmu[Word.FRACTURED] = NONE",
    ),
    "INVLPG tells the engine nothing": (
        "invalidation",
        "    if U(slot) < mmu[Word.SECOND_LEVEL]:\n        report_dropped(mmu, slot)\n",
        "",
    ),
    "a flush tells the engine nothing": (
        "invalidation",
        "            if first_level:\n                report_dropped(mmu, slot)\n",
        "",
    ),
    "MOV to CR3 ignores bit 63": (
        "invalidation",
        "keep = tagged and value & _KEEP != NONE",
        "keep = False",
    ),
    "MOV to CR3 flushes the old PCID": (
        "invalidation",
        "    mmu[Word.CR3] = value & ~_KEEP\n    if not keep:",
        "    old = current_tag(mmu)\n    mmu[Word.CR3] = value & ~_KEEP\n    if not keep:\n        _drop_context(mmu, old, _CURRENT, False, True)\n    if False:",
    ),
    "MOV to CR3 drops global pages": (
        "invalidation",
        "_drop_context(mmu, current_tag(mmu), _CURRENT, False, True)",
        "_drop_context(mmu, current_tag(mmu), _CURRENT, False, False)",
    ),
    "no operation drops paging-structure caches": (
        "invalidation",
        "    _drop_region(mmu, _STRUCTURE, tag, mask, others, False)\n\n\n@inner\ndef _vpid_tag",
        "\n\n@inner\ndef _vpid_tag",
    ),
    "INVPCID of all contexts leaves global pages": (
        "invalidation",
        "        _drop_context(mmu, tag, VPID_MASK, False, False)\n    else:\n        counters[_FLUSH_NONGLOBAL] += ONE\n        _drop_context(mmu, tag, VPID_MASK, False, True)\n\n\n@native\ndef invvpid",
        "        _drop_context(mmu, tag, VPID_MASK, False, True)\n    else:\n        counters[_FLUSH_NONGLOBAL] += ONE\n        _drop_context(mmu, tag, VPID_MASK, False, True)\n\n\n@native\ndef invvpid",
    ),
    "INVVPID of an address drops PCID 0 only": (
        "invalidation",
        "_drop_page(mmu, va, tag, VPID_MASK, True)",
        "_drop_page(mmu, va, tag, _CURRENT, True)",
    ),
    "INVVPID of all contexts drops VPID 0": (
        "invalidation",
        "_drop_context(mmu, NONE, VPID_MASK, True, False)",
        "_drop_context(mmu, NONE, NONE, False, False)",
    ),
    "INVEPT leaves guest-physical mappings": (
        "invalidation",
        "    _drop_region(mmu, _NESTED, tag, ROOT_MASK, every, False)\n",
        "",
    ),
    "INVEPT leaves combined mappings": (
        "invalidation",
        "    _drop_context(mmu, tag, ROOT_MASK, every, False)\n",
        "",
    ),
    "translations have no VPID": (
        "tlb",
        "return U(root | (mmu[Word.VPID] << _TWELVE & VPID_MASK) | pcid)",
        "return U(root | pcid)",
    ),
    "translations have no EPT root": (
        "tlb",
        "return U(root | (mmu[Word.VPID] << _TWELVE & VPID_MASK) | pcid)",
        "return U((mmu[Word.VPID] << _TWELVE & VPID_MASK) | pcid)",
    ),
    "every page is global": ("walker", "if entry & _G and mmu[Word.CR4] & _PGE:", "if True:"),
    "a page fault drops no paging-structure caches": (
        "access",
        "        drop_path(mmu, va, tag)\n",
        "",
    ),
    "an EPT violation drops nothing": (
        "access",
        "        drop_nested(mmu, mmu[Word.OUT_GPA])\n        if mmu[Word.OUT_QUALIFICATION] & _TRANSLATION:\n",
        "        if False:\n",
    ),
    "a cached translation serves stores whatever its dirty flag": (
        "rights",
        "if not (rights & EPT_WRITE and rights & DIRTY):",
        "if not rights & EPT_WRITE:",
    ),
}
