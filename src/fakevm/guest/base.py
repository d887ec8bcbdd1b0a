"""What a guest must be able to do, whatever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakevm.model.guest import GuestState
    from fakevm.model.port import Addressing, Port


@dataclass(frozen=True)
class Uplink:
    """The host's end of a guest's device: how it is called, and the Linux bridge that it joins (or none)."""

    device: str
    bridge: str = ""


class Guest(ABC):
    """The fake VMs of one kind on this host; each belongs to a port."""

    @abstractmethod
    def make(self, port: Port, uplink: Uplink, *, asleep: bool = False) -> None:
        """Make the guest and its device, up and without an address; what an earlier, interrupted make left is replaced.

        :param asleep: it sends no frame at all until ``wake``
        :raises FakevmError: it could not be made; call remove then
        """

    @abstractmethod
    def tag(self, port: Port) -> str:
        """Give the guest the devices of networks that come tagged over the port, and no others; those there stay.

        Returns what of it this kernel cannot make, empty when all is there.

        :raises FakevmError: they are not as they should be
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
    def state(self, port: Port) -> GuestState:
        """Read what the guest is to take along when it moves.

        :raises FakevmError: there is no guest
        """

    @abstractmethod
    def silence(self, port: Port) -> None:
        """Let no frame leave the guest from now on; all that it has and all that runs in it stays.

        :raises FakevmError: it may still speak
        """

    @abstractmethod
    def prime(self, port: Port, state: GuestState) -> None:
        """Give a silent guest what it can have of a state beforehand, so that ``wake`` has less to do; it stays silent.

        :raises FakevmError: nobody could do it; ``wake`` may still
        """

    @abstractmethod
    def wake(self, port: Port, state: GuestState, *, moved: bool) -> None:
        """Give a silent guest its state and let it speak; it announces itself. Returns when it can be reached.

        In the background it announces itself a few times more, and gets the DHCP clients that it had.

        :param moved: the state comes from elsewhere; when it cannot have all of it the guest stays asleep. A guest that
            slept where it was needs little of it: then that is only logged
        :raises FakevmError: it is still asleep
        """

    @abstractmethod
    def command(self, port: Port, command: Sequence[str]) -> list[str]:
        """Build the argv that runs a command in the guest, from this host."""
