"""How a guest gets at a disk and a network: the second axis beside the techniques."""

from techniques.io_models.model import (
    EMULATED,
    NAMES,
    PARAVIRTUAL,
    PASSTHROUGH,
    check,
    connect,
    machine_bytes,
)

__all__ = ["EMULATED", "NAMES", "PARAVIRTUAL", "PASSTHROUGH", "check", "connect", "machine_bytes"]
