"""Event channels: the interrupts of the PV interface (Xen public header `event_channel.h`)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from hardware_model import counters as counter_table
from techniques.paravirtual import abi
from techniques.paravirtual.abi import ChannelStatus, Errno, EventOp, HypercallError
from techniques.paravirtual.linear_memory import LinearMemory
from techniques.paravirtual.shared_info import SharedInfo

_SENT = counter_table.index("pv.event_sent")
PORTS = 64  # that this hypervisor gives out, of EVENT_CHANNELS
_MOVABLE = (ChannelStatus.VIRQ, ChannelStatus.UNBOUND, ChannelStatus.INTERDOMAIN)
"""Channels that may be bound to another virtual processor."""


@dataclass(slots=True)
class Channel:
    """One end of an event channel: `virq` if it is bound to one, else the `domain` at the other end.

    `port`: the other end, if that is this domain too.
    """

    status: ChannelStatus = ChannelStatus.CLOSED
    virq: int = -1
    domain: int = 0
    port: int = 0


class EventChannels:
    """The channels of domain `number`.

    The other ends of interdomain channels are the driver domain's back ends, or this domain's own. `listeners` are the
    back ends: each is called when the guest sends an event through its port.
    """

    def __init__(
        self,
        shared: SharedInfo,
        memory: LinearMemory,
        counters: counter_table.CounterArray,
        number: int,
    ) -> None:
        self._number = number
        self._shared = shared
        self._memory = memory
        self._counts = counters.data
        self.channels = [Channel() for _ in range(PORTS)]
        self.listeners: dict[int, Callable[[], None]] = {}
        self._operations: dict[int, Callable[[int], None]] = {
            EventOp.BIND_INTERDOMAIN: self._bind_interdomain,
            EventOp.BIND_VIRQ: self._bind_virq,
            EventOp.CLOSE: self._close,
            EventOp.SEND: self._send,
            EventOp.STATUS: self._status,
            EventOp.ALLOC_UNBOUND: self._allocate_unbound,
            EventOp.BIND_IPI: self._bind_ipi,
            EventOp.BIND_VCPU: self._bind_vcpu,
            EventOp.UNMASK: self._unmask,
            EventOp.RESET: self._reset,
        }

    def open_interdomain(self, port: int, listener: Callable[[], None]) -> None:
        """A channel that the domain builder has connected: events sent through it reach `listener`."""
        self.channels[port] = Channel(ChannelStatus.INTERDOMAIN, domain=abi.DOMID_BACKEND)
        self.listeners[port] = listener

    def bind_backend(self, port: int, listener: Callable[[], None]) -> None:
        """The driver domain's bind_interdomain: connect a back end to the channel that the guest has allocated for it.

        HypercallError EINVAL unless the guest's `port` is unbound and for the driver domain.
        """
        channel = self._channel(port)
        if channel.status is not ChannelStatus.UNBOUND or channel.domain != abi.DOMID_BACKEND:
            raise HypercallError(Errno.EINVAL, f"event channel {port} waits for no back end")
        self.open_interdomain(port, listener)
        self.notify(port)  # as Xen does: whoever bound may have missed an event

    def operation(self, command: int, argument: int) -> int:
        """The hypercall event_channel_op."""
        action = self._operations.get(command)
        if action is None:
            raise HypercallError(Errno.ENOSYS, f"event channel operation {command}")
        action(argument)
        return 0

    def raise_virq(self, virq: int) -> None:
        """A virtual interrupt happens: its channel, if it is bound, becomes pending."""
        for port, channel in enumerate(self.channels):
            if channel.status is ChannelStatus.VIRQ and channel.virq == virq:
                self.notify(port)

    def notify(self, port: int) -> None:
        """Make the channel pending, and the virtual processor too unless the channel is masked."""
        shared = self._shared
        if shared.channel_pending(port):
            return
        self._counts[_SENT] += 1
        shared.set_channel_pending(port, True)
        if not shared.channel_masked(port) and shared.select(port):
            shared.set_pending()

    def _free_port(self) -> int:
        for port in range(1, PORTS):  # port 0 is never given out
            if self.channels[port].status is ChannelStatus.CLOSED:
                return port
        raise HypercallError(Errno.ENOSPC, "no event channel is left")

    def check(self, port: int) -> None:
        """HypercallError EINVAL unless there may be such a channel."""
        self._channel(port)

    def _channel(self, port: int) -> Channel:
        if not 0 < port < PORTS:
            raise HypercallError(Errno.EINVAL, f"there is no event channel {port}")
        return self.channels[port]

    def _bind_virq(self, argument: int) -> None:
        virq, vcpu = self._memory.unpack("II", argument)
        if virq >= abi.VIRQS:
            raise HypercallError(Errno.EINVAL, f"there is no virtual interrupt {virq}")
        if vcpu:
            raise HypercallError(Errno.ENOENT, "there is no virtual processor but the first")
        if any(c.status is ChannelStatus.VIRQ and c.virq == virq for c in self.channels):
            raise HypercallError(Errno.EEXIST, f"virtual interrupt {virq} is bound already")
        port = self._free_port()
        self.channels[port] = Channel(ChannelStatus.VIRQ, virq)
        self._memory.pack("I", argument + 8, port)

    def _bind_ipi(self, argument: int) -> None:
        (vcpu,) = self._memory.unpack("I", argument)
        if vcpu:
            raise HypercallError(Errno.ENOENT, "there is no virtual processor but the first")
        port = self._free_port()
        self.channels[port] = Channel(ChannelStatus.IPI)
        self._memory.pack("I", argument + 4, port)

    def _allocate_unbound(self, argument: int) -> None:
        domain, remote = self._memory.unpack("HH", argument)
        if not self._is_self(domain):
            raise HypercallError(Errno.EPERM, "only for the domain itself")
        port = self._free_port()
        other = self._number if self._is_self(remote) else remote
        self.channels[port] = Channel(ChannelStatus.UNBOUND, domain=other)
        self._memory.pack("I", argument + 4, port)

    def _is_self(self, domain: int) -> bool:
        return domain in (abi.DOMID_SELF, self._number)

    def _bind_interdomain(self, argument: int) -> None:
        """Connect to a channel of the domain's own that waits for it."""
        domain, remote = self._memory.unpack("H2xI", argument)
        if not self._is_self(domain):
            raise HypercallError(Errno.ESRCH, f"domain {domain} offers no event channel")
        other = self._channel(remote)
        if other.status is not ChannelStatus.UNBOUND or other.domain != self._number:
            raise HypercallError(Errno.EINVAL, f"event channel {remote} does not wait for us")
        port = self._free_port()
        ends = (port, remote)
        for here, there in (ends, ends[::-1]):
            self.channels[here] = Channel(
                ChannelStatus.INTERDOMAIN, domain=self._number, port=there
            )
        self._memory.pack("I", argument + 8, port)
        self.notify(port)

    def _close(self, argument: int) -> None:
        (port,) = self._memory.unpack("I", argument)
        if self._channel(port).status is ChannelStatus.CLOSED:
            raise HypercallError(Errno.EINVAL, f"event channel {port} is closed")
        self._close_port(port)

    def _close_port(self, port: int) -> None:
        """The other end, if this domain has it, waits for somebody else."""
        other = self.channels[port].port
        if other:
            self.channels[other] = Channel(ChannelStatus.UNBOUND, domain=self._number)
        self.channels[port] = Channel()
        self.listeners.pop(port, None)
        self._shared.set_channel_pending(port, False)

    def _reset(self, argument: int) -> None:
        (domain,) = self._memory.unpack("H", argument)
        if not self._is_self(domain):
            raise HypercallError(Errno.EPERM, "only for the domain itself")
        for port, channel in enumerate(self.channels):
            if channel.status is not ChannelStatus.CLOSED:
                self._close_port(port)

    def _send(self, argument: int) -> None:
        (port,) = self._memory.unpack("I", argument)
        channel = self._channel(port)
        if channel.status is ChannelStatus.INTERDOMAIN:
            if channel.port:
                self.notify(channel.port)
            else:
                self.listeners[port]()
        elif channel.status is ChannelStatus.IPI:
            self.notify(port)
        elif channel.status is not ChannelStatus.UNBOUND:  # an unbound one has nobody to tell
            raise HypercallError(Errno.EINVAL, f"nothing can be sent through event channel {port}")

    def _status(self, argument: int) -> None:
        _, port = self._memory.unpack("H2xI", argument)
        channel = self._channel(port)
        if channel.status is ChannelStatus.VIRQ:
            details = struct.pack("<II", channel.virq, 0)
        else:  # unbound: domid; interdomain: domid and port
            details = struct.pack("<HxxI", channel.domain, channel.port)
        self._memory.pack("II", argument + 8, channel.status, 0)
        self._memory.write(argument + 16, details)

    def _bind_vcpu(self, argument: int) -> None:
        port, vcpu = self._memory.unpack("II", argument)
        if vcpu:
            raise HypercallError(Errno.ENOENT, "there is no virtual processor but the first")
        channel = self._channel(port)
        own = channel.status is ChannelStatus.VIRQ and channel.virq in abi.PER_VCPU_VIRQS
        if channel.status not in _MOVABLE or own:
            raise HypercallError(Errno.EINVAL, f"event channel {port} cannot be moved")

    def _unmask(self, argument: int) -> None:
        (port,) = self._memory.unpack("I", argument)
        self._channel(port)
        shared = self._shared
        was_masked = shared.channel_masked(port)
        shared.set_channel_masked(port, False)
        if was_masked and shared.channel_pending(port) and shared.select(port):
            shared.set_pending()
