"""What a guest must be able to do, whatever it is: a kind of guest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fakevm import errors
from fakevm.model.checkpoint import ProcessesSeen
from fakevm.model.nic import DEFAULT_NIC

if TYPE_CHECKING:
    from fakevm.model.checkpoint import TreeWritten
    from fakevm.model.guest import Guest, GuestState
    from fakevm.model.interface import Interface
    from fakevm.model.nic import NicKind
    from fakevm.model.port import Addressing


@dataclass(frozen=True)
class Uplink:
    """The other end of a guest's device: how it is called, and the Linux bridge that it joins (or none).

    ``namespace`` is the network namespace that it is in, by its name; empty: the host's own. Elsewhere it is made down,
    and whoever wires it there brings it up. ``itself``: it is no other end but the guest's device itself, which the
    switch has made, in the host; it is to be moved into the guest, and goes when the switch takes it away.
    """

    device: str
    bridge: str = ""
    namespace: str = ""
    itself: bool = False


class Kept(NamedTuple):
    """A daemon of a guest: the process of the host's that keeps it, and the file that it speaks to."""

    pid: int
    log: Path


@dataclass(frozen=True)
class Revival:
    """How processes come back: ``wake`` lets the guest speak, and is called when all are there and none runs yet.

    ``logs`` are the files that its daemons speak to, by their names; ``seconds`` how long it may take.
    """

    wake: Callable[[], None]
    logs: Mapping[str, Path]
    seconds: float


class Wired(NamedTuple):
    """An interface that a guest is to have, and where its device's other end goes."""

    interface: Interface
    uplink: Uplink


class Kind(ABC):
    """The guests of one kind on this host.

    :param host: the name under which this host is known to Neutron
    :param folder: where a kind may keep what outlives its guests, whether they are stopped or their host is
    """

    #: what interfaces of its guests may be made of; of a plain one, the device is given to it (``Uplink.itself``)
    nics: tuple[NicKind, ...] = (DEFAULT_NIC,)
    #: whether its guests can be servers (``GuestSettings.server``)
    serves = False

    def __init__(self, host: str, folder: Path) -> None:
        self.host = host
        self.folder = folder

    @abstractmethod
    def make(self, guest: Guest, wired: Sequence[Wired], *, asleep: bool = False) -> None:
        """Make a guest with interfaces that are up and without an address of Neutron's.

        What an earlier, interrupted make left is replaced.

        :param asleep: it sends no frame at all until ``wake``
        :raises FakevmError: it could not be made; call remove then
        """

    @abstractmethod
    def attach(self, guest: Guest, wired: Wired, *, asleep: bool = False) -> None:
        """Give a guest that runs one interface more.

        :param asleep: as ``make``
        :raises FakevmError: it could not be made; call detach then
        """

    @abstractmethod
    def detach(self, guest: Guest, interface: Interface) -> None:
        """Take an interface out of a guest that stays; one that is not there is no error.

        :raises FakevmError: something is left
        """

    def replace(self, guest: Guest, wired: Wired, state: GuestState | None, *, asleep: bool) -> None:
        """Give a guest that runs another device in place of an interface's own; what hung on that hangs on this, then.

        :param state: what is to hang on it, None: what hangs on the old one
        :param asleep: as ``make``
        :raises FakevmError: it could not be had whole; call detach then
        """
        interface = wired.interface
        kept = state or self.state(guest, [interface])
        self.detach(guest, interface)
        self.attach(guest, wired, asleep=True)
        if asleep:
            self.prime(guest, [interface], kept)
        else:
            self.wake(guest, [interface], kept, moved=True)

    @abstractmethod
    def tag(self, guest: Guest, interface: Interface) -> str:
        """Give the guest the devices of networks that come tagged over an interface, and no others; those there stay.

        Returns what of it this kernel cannot make, empty when all is there.

        :raises FakevmError: they are not as they should be
        """

    def shut_down(self, guest: Guest, seconds: float) -> None:  # noqa: B027  # most kinds need no time for it
        """Let a guest that runs end by itself, for so long; ``remove`` ends it then."""

    @abstractmethod
    def remove(self, guest: Guest, interfaces: Sequence[Interface]) -> None:
        """Remove a guest with its interfaces and all that runs in it; what is not there is no error.

        It may be made again, and then has the files that it had, if guests of this kind have their own.

        :raises FakevmError: something is left
        """

    def forget(self, guest: Guest) -> None:  # noqa: B027  # most kinds keep nothing
        """Remove what is kept of a guest that was removed, and is not to come back.

        :raises FakevmError: something is left
        """

    def close(self) -> None:  # noqa: B027  # most kinds keep nothing
        """Let go of what is kept for guests to come; those that are there stay."""

    def console_log(self, guest: Guest, most: int) -> bytes:
        """Read the last ``most`` bytes of what the guest has said on its console; guests of most kinds have none.

        :raises FakevmError: it cannot be read
        """
        return b""

    @abstractmethod
    def problem(self, guest: Guest) -> str:
        """Say what is wrong with the guest itself; empty when it is as it was made."""

    @abstractmethod
    def device_problem(self, guest: Guest, interface: Interface) -> str:
        """Say what is wrong with a device of a guest that is there; empty when it is as it was made."""

    @abstractmethod
    def addresses(self, guest: Guest) -> dict[str, list[str]]:
        """List the addresses on each of the guest's devices in CIDR form; empty when there is no guest."""

    @abstractmethod
    def address(self, guest: Guest, interface: Interface, mode: Addressing, timeout: float) -> None:
        """Give an interface its port's addresses and return when they are usable.

        :param timeout: seconds
        :raises TimedOut: says which are missing
        """

    @abstractmethod
    def state(self, guest: Guest, interfaces: Sequence[Interface]) -> GuestState:
        """Read what the guest is to take along when it moves.

        :raises FakevmError: there is no guest
        """

    @abstractmethod
    def silence(self, guest: Guest, interfaces: Sequence[Interface]) -> None:
        """Let no frame leave the guest from now on; all that it has and all that runs in it stays.

        :raises FakevmError: it may still speak
        """

    @abstractmethod
    def prime(self, guest: Guest, interfaces: Sequence[Interface], state: GuestState) -> None:
        """Give a silent guest what it can have of a state beforehand, so that ``wake`` has less to do; it stays silent.

        :raises FakevmError: nobody could do it; ``wake`` may still
        """

    @abstractmethod
    def wake(self, guest: Guest, interfaces: Sequence[Interface], state: GuestState, *, moved: bool) -> None:
        """Give a silent guest its state and let it speak; it announces itself. Returns when it can be reached.

        In the background it announces itself a few times more, and gets the DHCP clients that it had.

        :param moved: the state comes from elsewhere; when it cannot have all of it the guest stays asleep. A guest that
            slept where it was needs little of it: then that is only logged
        :raises FakevmError: it is still asleep
        """

    @abstractmethod
    def command(self, guest: Guest, interfaces: Sequence[Interface], command: Sequence[str]) -> list[str]:
        """Build the argv that runs a command in the guest, from this host.

        The command ends when the process that this becomes is killed. Other signals are for its process group.
        """

    def daemon(self, guest: Guest, interfaces: Sequence[Interface], command: Sequence[str]) -> list[str]:
        """Build the argv of a command in the guest that is to be kept running; signals are as of ``command``."""
        return self.command(guest, interfaces, command)

    def program(self, guest: Guest, interfaces: Sequence[Interface], command: Sequence[str]) -> list[str]:
        """Build the argv that runs one of FakeVM's programs, or the host's, in the guest's network.

        It need not be among the guest's files, nor the guest's processes see it.
        """
        return self.command(guest, interfaces, command)

    # -- processes that move: kinds that can do it override all of these ------------------------------------------

    def processes(self, guest: Guest, daemons: Mapping[str, Kept]) -> ProcessesSeen:
        """Say which processes of a guest can be moved, and what keeps the others from it.

        :param daemons: which of them are the guest's daemons
        """
        return ProcessesSeen(problems=(f"guests of the kind {guest.kind} cannot take processes along",))

    def freeze(
        self, guest: Guest, folder: Path, daemons: Mapping[str, Kept], seconds: float
    ) -> tuple[TreeWritten, ...]:
        """Write the processes and the files of a guest, which is silent, down in a folder; they stop, until ``thaw``.

        What cannot be moved goes on, and is not written down.

        :param seconds: how long it may take
        :raises PlugFailed: they go on
        """
        raise _unmovable(guest)

    def thaw(self, guest: Guest) -> None:  # noqa: B027  # most kinds freeze nothing
        """Let the processes that ``freeze`` stopped go on."""

    def abandon(self, guest: Guest) -> None:  # noqa: B027  # most kinds freeze nothing
        """End the processes that ``freeze`` stopped: they go on elsewhere, or not at all."""

    def revive(self, guest: Guest, folder: Path, trees: Sequence[TreeWritten], revival: Revival) -> dict[str, int]:
        """Give a guest, which is silent and new, the files and the processes that were written down in a folder.

        Returns the processes of the host's that are its daemons, by their names.

        :raises PlugFailed: none of them runs
        """
        raise _unmovable(guest)


def _unmovable(guest: Guest) -> errors.PlugFailed:
    return errors.PlugFailed(f"guests of the kind {guest.kind} cannot take processes along")
