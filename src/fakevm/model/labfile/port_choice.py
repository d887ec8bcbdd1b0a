"""Which of a lab's ports is meant, and which of its addresses."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from fakevm.model.value import Value

from .reference import GuestRef, PortChoiceRef
from .word import Address


class PortChoice(Value):
    """A guest's port, or one that has no guest; nothing said: none."""

    guest: GuestRef | None = Field(default=None, description="Whose it is.")
    port: PortChoiceRef | None = Field(
        default=None, description="Which port of the guest, by its network; without a guest one of `ports`."
    )
    fixed_ip: Address | None = Field(default=None, description="Which address of the port, if it has many.")

    @model_validator(mode="after")
    def _is_of_a_port(self) -> PortChoice:
        if self.fixed_ip and not self.is_some:
            raise ValueError("a fixed_ip is an address of a port: give a guest or a port")
        return self

    @property
    def is_some(self) -> bool:
        """Whether a port is meant."""
        return bool(self.guest or self.port)

    def port_name(self, lab: Any) -> str:
        """Name the port, as it is called in Neutron; empty: there is none. ``lab`` is the file that it is in."""
        if self.guest is None:
            return self.port or ""
        ports = lab.guests[self.guest].ports_of(self.guest)
        own = next((port for port in ports if port.file.network == self.port), next(iter(ports), None))
        return own.name if own else ""

    def network_name(self, lab: Any) -> str:
        """Name the network of the port; empty: there is none."""
        if self.guest is None:
            return lab.ports[self.port].network if self.port in lab.ports else ""
        networks = [port.network for port in lab.guests[self.guest].on_networks]
        return next((net for net in networks if net == self.port), next(iter(networks), ""))

    def is_left_in(self, lab: Any) -> bool:
        """Tell whether the guest or port is in a file, of which something may have been left out."""
        if self.guest is None:
            return self.port is None or self.port in lab.ports
        return self.guest in lab.guests
