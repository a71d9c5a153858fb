"""The network card, the wire, and the station at its other end."""

from hardware_model.devices.network.controller import NetworkController
from hardware_model.devices.network.link import Link
from hardware_model.devices.network.station import Station

__all__ = ["Link", "NetworkController", "Station"]
