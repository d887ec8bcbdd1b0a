"""What a guest must be able to do, whatever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakevm.model.port import Addressing, Port


@dataclass(frozen=True)
class Uplink:
    """The host's end of a guest's device: how it is called, and the Linux bridge that it joins (or none)."""

    device: str
    bridge: str = ""


class Guest(ABC):
    """The fake VMs of one kind on this host; each belongs to a port."""

    @abstractmethod
    def make(self, port: Port, uplink: Uplink) -> None:
        """Make the guest and its device, up and silent; what an earlier, interrupted make left is replaced.

        :raises FakevmError: it could not be made; call remove then
        """

    @abstractmethod
    def remove(self, ports: Sequence[Port]) -> None:
        """Remove guests with all that runs in them; those not there are no error.

        :raises FakevmError: something is left
        """

    @abstractmethod
    def problem(self, port: Port) -> str:
        """Say what is wrong with the guest; empty when it is as it was made."""

    @abstractmethod
    def addresses(self, port: Port) -> list[str]:
        """List the addresses on the guest's device in CIDR form, none when there is no guest."""

    @abstractmethod
    def address(self, port: Port, mode: Addressing, timeout: float) -> None:
        """Give the guest the port's addresses and return when they are usable.

        :param timeout: seconds
        :raises TimedOut: says which are missing
        """

    @abstractmethod
    def command(self, port: Port, command: Sequence[str]) -> list[str]:
        """Build the argv that runs a command in the guest, from this host."""
