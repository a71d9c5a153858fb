"""Finding workloads: by name, by path, and what is said about those that are not there."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

import workloads
from workloads.header import SIZES

ROOT = Path(workloads.__file__).parent
HEADER = """#: title = "Mine"
#: stresses = "nothing"
#: outcome = "none"
#: small = { n = 1 }
#: standard = { n = 10 }
#: large = { n = 100 }
#: variants = { "two" = { n = 2 } }
"""
USER = "@user\nuser_main:\n mov rdi, [rdi + PARAM_N * 8]\n mov eax, SYS_EXIT\n syscall\n"


@pytest.fixture
def mine(tmp_path) -> Path:
    path = tmp_path / "mine.asm"
    path.write_text(HEADER + USER)
    return path


def test_every_file_of_a_family_folder_is_found():
    files = {f"{p.parent.name}/{p.stem}" for p in ROOT.glob("*/*.asm")}
    kernel = {name for name in files if name.startswith("kernel_source/")}
    programs = {name for name in files if name.startswith("linux/")}
    assert {w.name.split("@")[0] for w in workloads.all()} == files - kernel - programs
    found = {w.name.split("@")[0] for w in workloads.linux()}
    assert found == programs | {"linux/busybox"}


def test_the_suite_has_the_families_of_the_design():
    assert {w.family for w in workloads.all()} >= {
        "nano",
        "exit",
        "kernel",
        "compute",
        "memory",
        "sensitive",
    }


@pytest.mark.parametrize(
    "workload", [*workloads.all(), *workloads.linux()], ids=lambda workload: workload.name
)
def test_every_workload_has_three_sizes_that_grow(workload):
    assert tuple(workload.sizes) == SIZES
    small, standard, large = (workload.named_parameters(size) for size in SIZES)
    assert all(small[p] <= standard[p] <= large[p] for p in small)
    assert small == large or any(small[p] < standard[p] < large[p] for p in small)


def test_a_name_may_lack_its_family_if_it_is_unique():
    assert workloads.find("divzero").name == "nano/divzero"
    assert workloads.find("context-switch@2p16k").name == "kernel/context-switch@2p16k"


def test_a_variant_is_a_workload_with_other_parameters():
    plain, variant = workloads.find("kernel/pipe"), workloads.find("kernel/pipe@1k")
    assert plain.named_parameters("small")["bytes"] == 8
    assert variant.named_parameters("small")["bytes"] == 1024
    assert plain.digest != variant.digest
    assert plain.image() == variant.image()


def test_an_unknown_name_is_answered_with_names_like_it():
    with pytest.raises(workloads.UnknownWorkload) as caught:
        workloads.find("nano/sycall")
    assert str(caught.value) == (
        "there is no workload 'nano/sycall'; did you mean " + " or ".join(caught.value.near) + "?"
    )
    assert "nano/syscall" in caught.value.near


def test_a_name_like_nothing_gets_no_advice():
    with pytest.raises(workloads.UnknownWorkload, match=r"^there is no workload 'zzzzz'$"):
        workloads.find("zzzzz")


def test_a_missing_file_is_said_to_be_missing():
    with pytest.raises(workloads.UnknownWorkload, match=r"there is no file '/nowhere/x.asm'"):
        workloads.find("/nowhere/x.asm")


def test_a_file_from_outside_is_found_by_its_path(mine):
    workload = workloads.find(mine)
    assert (workload.name, workload.family) == ("external/mine", "external")
    assert workload.parameters("standard") == (10,)
    assert workload.image().symbols["user_main"] == 0x400000


def test_a_variant_of_a_file_from_outside_follows_its_path(mine):
    assert workloads.find(f"{mine}@two").parameters("small") == (2,)
    with pytest.raises(workloads.UnknownWorkload, match="external/mine@two"):
        workloads.find(f"{mine}@too")


def test_a_path_into_the_suite_is_the_workload_of_the_suite():
    assert workloads.find(ROOT / "nano" / "in.asm").name == "nano/in"


def test_a_file_may_name_its_family(mine):
    mine.write_text('#: family = "teaching"\n' + HEADER + USER)
    assert workloads.find(mine).name == "teaching/mine"


def test_the_digest_follows_the_source(mine):
    before = workloads.find(mine).digest
    mine.write_text(HEADER + USER + " nop\n")
    assert workloads.find(mine).digest != before


def test_a_copy_elsewhere_has_the_same_digest(mine, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    copy = shutil.copy(mine, tmp_path / "elsewhere" / "mine.asm")
    assert workloads.find(copy).digest == workloads.find(mine).digest


def test_an_unknown_size_is_an_error():
    with pytest.raises(ValueError, match="there is no size 'huge'; sizes are small, standard"):
        workloads.find("nano/in").parameters("huge")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (HEADER, "mine.asm: a workload needs a @kernel or a @user section"),
        (HEADER + "@user\nmain: nop\n", "mine.asm: the @user section does not define user_main"),
        (HEADER + "@kernel\nf: nop\n", "the @kernel section does not define workload_main"),
        (HEADER + "@user\nuser_main: bad\n", "mine.asm:9: cannot assemble 'bad': invalid mnem"),
        (HEADER + "@kernel\nworkload_main: call boo\n", "mine.asm:9: boo is not defined"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence_with_its_place(mine, text, sentence):
    mine.write_text(text)
    with pytest.raises(workloads.WorkloadError) as caught:
        workloads.find(mine).image()
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_or_binary_file_is_refused(tmp_path):
    path = tmp_path / "binary.asm"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(workloads.WorkloadError, match="cannot be read: it is not UTF-8 text"):
        workloads.find(path)


def test_errors_survive_the_way_between_processes(mine):
    mine.write_text(HEADER + "@user\nuser_main: bad\n")
    for ask in (lambda: workloads.find(mine).image(), lambda: workloads.find("nano/sycall")):
        with pytest.raises((workloads.WorkloadError, workloads.UnknownWorkload)) as caught:
            ask()
        copy = pickle.loads(pickle.dumps(caught.value))
        assert (type(copy), str(copy)) == (type(caught.value), str(caught.value))
