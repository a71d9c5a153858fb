"""Templates mean the same whichever assembler made them."""

from __future__ import annotations

import pytest
from keystone import KS_ARCH_X86, KS_MODE_64, KS_OPT_SYNTAX_INTEL, Ks

from techniques.binary_translation import templates


@pytest.fixture(params=["as it comes", "with numbers read as hexadecimal"])
def assembler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Ks:
    made = Ks(KS_ARCH_X86, KS_MODE_64)
    if request.param != "as it comes":
        made.syntax = (
            KS_OPT_SYNTAX_INTEL  # sets the radix to 16, as memory that was used before may
        )
        assert made.asm("lea rsp, [rsp + 16]")[0][-1] == 0x16
    monkeypatch.setattr(templates, "_assembler", lambda: made)
    templates.template.cache_clear()
    yield made
    templates.template.cache_clear()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("lea rsp, [rsp + 16]", "488d642410"),
        ("mov rcx, qword ptr [rsp + 24]", "488b4c2418"),
        ("mov rcx, qword ptr [rsp + 8]", "488b4c2408"),
        ("and ecx, 0x200", "81e100020000"),
        ("mov r10, r12", "4d89e2"),
    ],
)
def test_a_number_in_a_template_is_decimal(assembler, text, code):
    assert templates.template(text).code.hex() == code
