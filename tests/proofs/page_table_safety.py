"""What direct paging must never allow, read off a domain's page tables as they are in memory."""

from __future__ import annotations

from techniques.paravirtual.domain import Domain

_P, _W, _LARGE, _ADDRESS = 1, 2, 0x80, 0x000F_FFFF_FFFF_F000
_XEN_SLOTS = range(256, 272)


def unsafe(domain: Domain, memory: object) -> list[str]:
    """Page tables or descriptor tables that the guest could write to, and mapped frames that are not its own."""
    tables: dict[int, int] = {}
    leaves: dict[int, bool] = {}
    found: list[str] = []
    for root in (domain.cpu.kernel_root >> 12, domain.cpu.user_root >> 12):
        if root:
            _walk(root, 4, memory, tables, leaves, found)
    shared = {domain.shared.page >> 12, *(frame >> 12 for frame in domain.grants.frames)}
    own = range(domain.first_mfn, domain.first_mfn + domain.pages)
    for table in tables:
        if table not in own:
            found.append(f"frame {table:#x} is a page table and not the domain's")
    for frame, writable in leaves.items():
        if frame not in own and frame not in shared:
            found.append(f"frame {frame:#x} is mapped and not the domain's")
        if writable and (frame in tables or frame in domain.gdt_frames):
            found.append(f"frame {frame:#x} is a table and writable")
    return found


def _walk(
    table: int,
    level: int,
    memory: object,
    tables: dict[int, int],
    leaves: dict[int, bool],
    found: list[str],
) -> None:
    if tables.setdefault(table, level) != level:
        found.append(f"frame {table:#x} is a table of levels {tables[table]} and {level}")
        return
    content = memory.read(table << 12, 0x1000)  # type: ignore[attr-defined]
    for slot in range(512):
        entry = int.from_bytes(content[8 * slot : 8 * slot + 8], "little")
        if not entry & _P or (level == 4 and slot in _XEN_SLOTS):
            continue
        frame = (entry & _ADDRESS) >> 12
        if level == 1:
            leaves[frame] = leaves.get(frame, False) or bool(entry & _W)
        elif entry & _LARGE:
            found.append(f"entry {entry:#x} of level {level} maps a large page")
        elif tables.get(frame) != level - 1:
            _walk(frame, level - 1, memory, tables, leaves, found)
