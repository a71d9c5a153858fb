"""One shadow table: a frame of machine memory, and what the VMM knows about it."""

from __future__ import annotations

from techniques.shadow.paging_mode import PagingMode

Key = tuple[int, int, bool, int, int]


class ShadowPage:
    """The shadow of one guest table for one role, or the pieces of one large guest page (`direct`).

    `address`: machine address of the table. `gfn`: frame of the guest's table; if `direct`, first
    frame of what is mapped. `level`: 4 = root ... 1. `access`: rights of the guest's path down to
    here; if `direct`, rights of the page. `table`: both, as in the path of a `GuestTranslation`;
    None if `direct`. `links` and `leaves`: present entries by index, as child
    page and as entry. `parents`: entry address to the page whose entry leads here. `unsync`: the
    guest may have written its table unseen. `writes`: writes to it since it was last walked.
    """

    __slots__ = (
        "access",
        "address",
        "direct",
        "gfn",
        "leaves",
        "level",
        "links",
        "mode",
        "parents",
        "table",
        "unsync",
        "writes",
    )

    def __init__(
        self, address: int, gfn: int, level: int, direct: bool, access: int, mode: PagingMode
    ) -> None:
        self.address = address
        self.gfn = gfn
        self.level = level
        self.direct = direct
        self.access = access
        self.mode = mode
        self.table = None if direct else (gfn, access)
        self.links: dict[int, ShadowPage] = {}
        self.leaves: dict[int, int] = {}
        self.parents: dict[int, ShadowPage] = {}
        self.unsync = False
        self.writes = 0

    @property
    def key(self) -> Key:
        """What the page is found by."""
        return self.gfn, self.level, self.direct, self.access, self.mode.role

    def below(self, ancestor: ShadowPage) -> bool:
        """Whether a path of shadow entries leads from `ancestor` to this page."""
        if self is ancestor or ancestor.address in {at & ~0xFFF for at in self.parents}:
            return True
        return any(parent.below(ancestor) for parent in self.parents.values())

    def __repr__(self) -> str:
        kind = "direct" if self.direct else "table"
        return f"<shadow {kind} level {self.level} of frame {self.gfn:#x}, access {self.access:#x}>"
