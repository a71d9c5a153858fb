"""The virtual-machine control structure: a page of machine memory with access to its fields."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from hardware_model.vmx.capabilities import Capabilities
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.field_encoding import HIGH_ACCESS, FieldType, FieldWidth
from hardware_model.vmx.fields import BY_ENCODING, Field
from hardware_model.vmx.instruction_errors import InstructionError, VmFailValid
from hardware_model.vmx.layout import LAUNCH_STATE_WORD, PAGE_BYTES, REVISION_WORD, WORD_INDEX

_LOW: Final = 0xFFFF_FFFF
_MASKS: Final = {field: field.mask for field in Field}


class LaunchState(IntEnum):
    """Whether VMLAUNCH (clear) or VMRESUME (launched) enters the guest (SDM vol. 3C 24.1)."""

    CLEAR = 0
    LAUNCHED = 1


def _readable(level: FeatureLevel) -> dict[int, int]:
    return {int(field): WORD_INDEX[field] for field in Field if field.since <= level}


def _writable(level: FeatureLevel) -> dict[int, tuple[int, int]]:
    return {
        int(field): (WORD_INDEX[field], field.mask)
        for field in Field
        if field.since <= level and field.type is not FieldType.READ_ONLY
    }


_READABLE: Final = {level: _readable(level) for level in FeatureLevel}
_WRITABLE: Final = {level: _writable(level) for level in FeatureLevel}


class Vmcs:
    """A VMCS region. `read` and `write` are VMREAD and VMWRITE; `load` and `store` the processor's.

    `words` is the region as uint64 words, `view` the same as a view whose items cost less; native
    code may access the same page by the indices of `layout.WORD_INDEX`.
    """

    __slots__ = ("_readable", "_writable", "capabilities", "view", "words")

    def __init__(
        self,
        capabilities: Capabilities,
        page: npt.NDArray[np.uint8] | memoryview | None = None,
        *,
        attach: bool = False,
    ) -> None:
        """Format a VMCS region in `page` (4096 writable bytes, 8-byte aligned), or in own storage.

        The page is zeroed and gets the revision identifier; its launch state is clear. With
        `attach` it is taken as it is; VmFailValid error 11 for another revision identifier.
        ValueError if the page has another size or cannot be written.
        """
        array = np.zeros(PAGE_BYTES, np.uint8) if page is None else np.asarray(page)
        if array.nbytes != PAGE_BYTES or not array.flags.writeable:
            raise ValueError(f"a VMCS region is {PAGE_BYTES} writable bytes, not {array.nbytes}")
        self.capabilities = capabilities
        self.words: npt.NDArray[np.uint64] = array.view(np.uint64)
        self.view: memoryview = self.words.data.cast("B").cast("Q")
        self._readable = _READABLE[capabilities.level]
        self._writable = _WRITABLE[capabilities.level]
        if not attach:
            self.words[:] = 0
            self.view[REVISION_WORD] = capabilities.revision
        elif self.revision != capabilities.revision:
            raise VmFailValid(
                InstructionError.VMPTRLD_INCORRECT_REVISION,
                f"VMCS revision identifier {self.revision:#x} is not {capabilities.revision:#x}",
            )

    def read(self, encoding: int) -> int:
        """VMREAD: the value of a field or of its high half; VmFailValid error 12 if unsupported."""
        try:
            return self.view[self._readable[encoding]]
        except KeyError:
            return self.view[self._readable[self._full(encoding)]] >> 32

    def write(self, encoding: int, value: int) -> None:
        """VMWRITE: set a field, or its high half; bits beyond the field's width are ignored.

        Raises VmFailValid with error 12 for an unsupported field, 13 for a read-only one.
        """
        try:
            word, mask = self._writable[encoding]
        except KeyError:
            self._write_high(encoding, value)
            return
        self.view[word] = value & mask

    def load(self, field: Field) -> int:
        """The value of a field as the processor uses it; 0 if the feature level lacks the field."""
        return self.view[WORD_INDEX[field]]

    def store(self, field: Field, value: int) -> None:
        """Set a field as the processor does at a VM exit, read-only ones included."""
        self.view[WORD_INDEX[field]] = value & _MASKS[field]

    @property
    def revision(self) -> int:
        """Bits 31:0 of the region's first four bytes: the VMCS revision identifier."""
        return self.view[REVISION_WORD] & _LOW

    @property
    def abort_indicator(self) -> int:
        """The VMX-abort indicator: 0, or the cause of a VMX abort (SDM vol. 3C 27.7)."""
        return self.view[REVISION_WORD] >> 32

    @abort_indicator.setter
    def abort_indicator(self, cause: int) -> None:
        self.view[REVISION_WORD] = self.revision | (cause & _LOW) << 32

    @property
    def launch_state(self) -> LaunchState:
        """The launch state: VMCLEAR makes it clear, a successful VMLAUNCH launched."""
        return LaunchState(self.view[LAUNCH_STATE_WORD])

    @launch_state.setter
    def launch_state(self, state: LaunchState) -> None:
        self.view[LAUNCH_STATE_WORD] = state

    def _full(self, encoding: int) -> int:
        """The encoding of the whole field of a high access; VmFailValid if there is none."""
        full = encoding & ~HIGH_ACCESS
        if (
            full != encoding
            and full in self._readable
            and BY_ENCODING[full].width is FieldWidth.QUADWORD
        ):
            return full
        raise VmFailValid(
            InstructionError.UNSUPPORTED_COMPONENT,
            f"VMCS field {_name(encoding)} does not exist at level {self.capabilities.level.label}",
        )

    def _write_high(self, encoding: int, value: int) -> None:
        field = BY_ENCODING[encoding if encoding in self._readable else self._full(encoding)]
        if field.type is FieldType.READ_ONLY:
            raise VmFailValid(
                InstructionError.READ_ONLY_COMPONENT, f"VMCS field {field.name} is read-only"
            )
        word = WORD_INDEX[field]
        self.view[word] = self.view[word] & _LOW | (value & _LOW) << 32


def _name(encoding: int) -> str:
    field = BY_ENCODING.get(encoding)
    return field.name if field else f"{encoding:#06x}"
