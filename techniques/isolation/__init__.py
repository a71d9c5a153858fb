"""Attacks between VMs, each with and without the protection that stops it."""

from techniques.isolation.attacks import ATTACKS, PROTECTION, VICTIM, Attack

__all__ = ["ATTACKS", "PROTECTION", "VICTIM", "Attack"]
