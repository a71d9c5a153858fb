"""Virtio devices (Virtual I/O Device Specification 0.9.5): what a VMM shows in place of a disk and a network card."""

from techniques.io_models.virtio.block import VirtioBlock
from techniques.io_models.virtio.network import VirtioNetwork
from techniques.io_models.virtio.virtqueue import Suppression

__all__ = ["Suppression", "VirtioBlock", "VirtioNetwork"]
