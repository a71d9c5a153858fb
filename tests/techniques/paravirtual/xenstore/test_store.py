"""Xenstore's tree: nodes, watches, transactions."""

from __future__ import annotations

import pytest

from techniques.paravirtual.xenstore import Store, StoreError


def test_writing_a_node_makes_its_ancestors_and_lists_them() -> None:
    store = Store()
    store.write("/a/b/c", "1")
    store.write("/a/d", "2")
    assert store.directory("/a") == ["b", "d"]
    assert store.read("/a/b") == b""
    assert store.text("/a/b/c") == "1"
    assert store.text("/a/x", "none") == "none"
    with pytest.raises(StoreError, match="ENOENT"):
        store.read("/a/x")


def test_a_name_that_begins_like_another_is_not_below_it() -> None:
    store = Store()
    store.write("/a/b", "")
    store.write("/a/bc/d", "")
    store.remove("/a/b")
    assert store.directory("/a") == ["bc"]


def test_a_watch_fires_for_the_node_and_what_lies_below() -> None:
    store, seen = Store(), []
    store.watch("/a", seen.append)
    for path in ("/a", "/a/b", "/ab", "/c"):
        store.write(path, "1")
    store.remove("/a/b")
    assert seen == ["/a", "/a/b", "/a/b"]


def test_watches_wait_for_the_end_of_a_transaction() -> None:
    store, seen = Store(), []
    store.watch("/a", seen.append)
    number = store.begin()
    store.write("/a/b", "1")
    assert seen == []
    store.end(number, commit=True)
    assert seen == ["/a/b"]


def test_an_aborted_transaction_leaves_no_trace() -> None:
    store, seen = Store(), []
    store.write("/a", "old")
    store.watch("/a", seen.append)
    number = store.begin()
    store.write("/a", "new")
    store.remove("/a")
    store.end(number, commit=False)
    assert store.text("/a") == "old"
    assert seen == []
    with pytest.raises(StoreError, match="ENOENT"):
        store.end(number, commit=True)


def test_a_token_is_used_once_and_forgotten_once() -> None:
    store = Store()
    store.watch("/a", print, ("a", "1"))
    with pytest.raises(StoreError, match="EEXIST"):
        store.watch("/a", print, ("a", "1"))
    store.unwatch(("a", "1"))
    with pytest.raises(StoreError, match="ENOENT"):
        store.unwatch(("a", "1"))
