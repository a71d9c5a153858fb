"""Xenstore: the tree of keys through which front ends and back ends find each other."""

from techniques.paravirtual.xenstore.ring import StoreRing
from techniques.paravirtual.xenstore.store import Store, StoreError

__all__ = ["Store", "StoreError", "StoreRing"]
