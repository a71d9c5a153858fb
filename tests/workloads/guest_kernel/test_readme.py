"""What workloads/README.md teaches is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import workloads
from workloads import header, image

TEXT = (Path(workloads.__file__).parent / "README.md").read_text()


@pytest.fixture
def first_workload(tmp_path) -> Path:
    """The file of the section "A first workload"."""
    path = tmp_path / "first.asm"
    block = TEXT.split("## A first workload")[1].split("```")[1]
    path.write_text(block.partition("\n")[2])
    return path


def test_the_first_workload_computes_what_it_says(run_suite, first_workload):
    ran = run_suite(first_workload)
    assert (ran.status, ran.words[0]) == (0, sum(n * n for n in range(1001)))


def test_the_table_explains_every_key_of_the_header():
    explained = set(re.findall(r"`(\w+)`", TEXT.split("## The header")[1].split("## The parts")[0]))
    keys = set(header.Header.__dataclass_fields__) - {"sizes"} | set(header.SIZES)
    assert keys <= explained


def test_the_course_goes_through_every_file_of_the_native_kernel_in_order():
    course = re.findall(r"kernel_source/(\w+\.asm)", TEXT.split("as a course")[1])
    native = [name for name in course if not name.startswith("xen_")]
    last = image.KERNEL_FILES.index("timer.asm")
    kernel = (*image.KERNEL_FILES[:last], *image.DRIVER_FILES, *image.KERNEL_FILES[last:])
    assert native == [*image.DEFINITIONS, *kernel]
