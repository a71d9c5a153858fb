"""How a back end and a front end meet: their directories in Xenstore and the states they go through.

/local/domain/1/device/<kind>/<id>        the front end's: where its back end is, rings, channel, state
/local/domain/0/backend/<kind>/1/<id>     the back end's: what it offers, state
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import IntEnum

from techniques.paravirtual import abi
from techniques.paravirtual.abi import HypercallError
from techniques.paravirtual.backends.shared_ring import SharedRing
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.grant_table import GrantedPage, GrantError
from techniques.paravirtual.xenstore import Store
from techniques.refusals import RefusalReason, Refusals


class DeviceState(IntEnum):
    """XenbusState (Xen public header `io/xenbus.h`)."""

    UNKNOWN = 0
    INITIALISING = 1
    INIT_WAIT = 2
    INITIALISED = 3
    CONNECTED = 4
    CLOSING = 5
    CLOSED = 6


class Backend(ABC):
    """One device's back end. Subclasses say what they offer, and connect when the front end is ready."""

    kind: str
    ready: DeviceState  # the front end's state in which its rings can be used

    def __init__(self, domain: Domain, store: Store, number: int) -> None:
        self.domain = domain
        self.store = store
        self.front = f"/local/domain/{domain.number}/device/{self.kind}/{number}"
        self.back = (
            f"/local/domain/{abi.DOMID_BACKEND}/backend/{self.kind}/{domain.number}/{number}"
        )
        self.port = 0
        self.rings: list[SharedRing] = []
        self.ring_type: Callable[[GrantedPage, int, int, Refusals], SharedRing] = SharedRing

    @abstractmethod
    def offers(self) -> dict[str, str]:
        """Keys that the front end reads before it makes its rings."""

    @abstractmethod
    def front_offers(self) -> dict[str, str]:
        """Keys that the front end finds in its own directory."""

    @abstractmethod
    def connect(self) -> None:
        """Map the rings that the front end has written down, and add what it waits for; GrantError, HypercallError."""

    @abstractmethod
    def kicked(self) -> None:
        """The front end has sent an event."""

    @abstractmethod
    def next_event(self) -> int | None:
        """When the device has something to do next, in virtual time."""

    @abstractmethod
    def advance(self, now: int) -> None:
        """Let happen what is due."""

    def announce(self) -> None:
        """Put the device into Xenstore, where the guest finds it."""
        about = {
            "backend": self.back,
            "backend-id": str(abi.DOMID_BACKEND),
            "state": str(int(DeviceState.INITIALISING)),
        }
        for name, value in (about | self.front_offers()).items():
            self.store.write(f"{self.front}/{name}", value)
        ours = {"frontend": self.front, "frontend-id": str(self.domain.number), "online": "1"}
        for name, value in (ours | self.offers()).items():
            self.store.write(f"{self.back}/{name}", value)
        self.store.watch(f"{self.front}/state", self._front_changed)
        self._enter(DeviceState.INIT_WAIT)

    def _enter(self, state: DeviceState) -> None:
        self.state = state
        self.store.write(f"{self.back}/state", str(int(state)))

    def _front_changed(self, _: str) -> None:
        text = self.store.text(f"{self.front}/state")
        state = int(text) if text.isdigit() else 0
        if state == self.ready and self.state == DeviceState.INIT_WAIT:
            try:
                self.connect()
            except (GrantError, HypercallError, ValueError) as error:
                self.store.write(f"{self.back}/error", str(error))
                self._enter(DeviceState.CLOSED)
                return
            self._enter(DeviceState.CONNECTED)
        elif state == DeviceState.CLOSING and self.state < DeviceState.CLOSING:
            self._disconnect()
            self._enter(DeviceState.CLOSING)  # a guest that is shutting down waits for this state
        elif state == DeviceState.CLOSED and self.state == DeviceState.CLOSING:
            self._enter(DeviceState.CLOSED)

    def _disconnect(self) -> None:
        for ring in self.rings:
            self.domain.grants.unmap(ring.page)
        self.rings.clear()

    def key(self, name: str) -> int:
        """A number that the front end has written; ValueError if it has not."""
        text = self.store.text(f"{self.front}/{name}")
        if not text.isdigit():
            raise ValueError(f"the front end's {name} is {text!r}, not a number")
        return int(text)

    def bind(self, name: str = "event-channel") -> None:
        """Connect to the channel that the front end has allocated."""
        self.port = self.key(name)
        self.domain.events.bind_backend(self.port, self._event)

    def _event(self) -> None:
        """An event of the front end; after it has closed the device there is nothing to see."""
        if self.rings:
            self.kicked()

    def ring(self, name: str, request_bytes: int, response_bytes: int) -> SharedRing:
        """Map the ring of the grant that the front end calls `name`."""
        page = self.domain.grants.map(self.key(name), write=True)
        ring = self.ring_type(page, request_bytes, response_bytes, self.domain.refusals)
        self.rings.append(ring)
        return ring

    def refused(self, error: GrantError) -> None:
        """Put a grant on record that was not the domain's to give."""
        if error.address is not None:
            self.domain.refusals.record(RefusalReason.GRANT, error.address)

    def notify(self) -> None:
        """Send the front end an event."""
        self.domain.events.notify(self.port)
