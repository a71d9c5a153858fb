"""The memory family's results against Python references."""

from __future__ import annotations

import pytest

import workloads

WORD = 0xFFFFFFFFFFFFFFFF


def variants(stem: str) -> list[str]:
    """The names of all workloads of one file."""
    return [w.name for w in workloads.all() if w.name.split("@")[0] == stem]


def test_stream_multiplies_every_element_of_the_first_array_by_15(run_workload, parameters):
    given = parameters("memory/stream")
    first = given["elements"] * (given["elements"] + 1) // 2
    before = first * 15 ** (given["repeats"] - 1)  # a when the last repeat starts
    assert run_workload("memory/stream")[:3] == [15 * before, 3 * before, 4 * before]


def random_cycle(nodes: int, numbers: list[int]) -> list[int]:
    """Sattolo's algorithm, as the guest runs it."""
    following = list(range(nodes))
    for node, number in zip(range(nodes - 1, 0, -1), numbers, strict=True):
        other = ((number >> 32) * node) >> 32
        following[node], following[other] = following[other], following[node]
    return following


@pytest.mark.parametrize("name", variants("memory/pointer-chase"))
def test_pointer_chase_ends_where_the_cycle_leads(run_workload, parameters, random_words, name):
    given = parameters(name)
    nodes = given["footprint"] // given["spacing"]
    following = random_cycle(nodes, random_words(nodes - 1))
    node = 0
    for _ in range(10 * given["rounds"] % nodes):
        node = following[node]
    assert run_workload(name)[:2] == [node, nodes]


@pytest.mark.parametrize("nodes", [16, 256, 4096])
def test_pointer_chase_visits_every_node(random_words, nodes):
    following = random_cycle(nodes, random_words(nodes - 1))
    visited, node = set(), 0
    while node not in visited:
        visited.add(node)
        node = following[node]
    assert len(visited) == nodes


@pytest.mark.parametrize("name", variants("memory/random-update"))
def test_random_update_reads_back_what_it_wrote(run_workload, parameters, random_words, name):
    given = parameters(name)
    table: dict[int, int] = {}
    total = 0
    for number in random_words(given["updates"]):
        offset = (number >> 24) & (given["footprint"] - 8)
        total = (3 * total + table.get(offset, 0)) & WORD
        table[offset] = table.get(offset, 0) ^ number
    assert run_workload(name)[0] == total


def test_page_table_churn_reads_back_its_stores_and_gets_clean_pages(run_workload, parameters):
    given = parameters("memory/page-table-churn")
    pages, total = given["pages"], 0
    for left in range(given["rounds"], 0, -1):
        stored = [4096 * (pages - page) + left for page in range(pages)]
        total += 2 * sum(stored) + pages
    assert run_workload("memory/page-table-churn")[:2] == [total, 0]
