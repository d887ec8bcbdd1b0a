"""What the control side and the agents say to one another over the broker.

It is written here, and nowhere else: a call names a verb of ``AgentApi`` and carries its arguments as JSON, and what
packs and opens both, on either side, is derived from the annotations (``fakevm.rpc.verb``). Every answer is an envelope
made by ``fakevm.rpc.codec``: ``{"result": …}`` or ``{"error": {"type", "what", "hint"}}``, so that errors cross intact.

Topic ``fakevm_agent``, one server per host (the server's name is the host's), plus fanout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from fakevm.model.checkpoint import Checkpoint, ProcessesSeen
from fakevm.model.daemon import Daemon
from fakevm.model.guest import Guest, GuestSeen, GuestState
from fakevm.model.impairment import Change
from fakevm.model.interface import Interface
from fakevm.model.port import Addressing, Port, Vif
from fakevm.model.value import Value

TOPIC = "fakevm_agent"
VERSION = "3.3"
AGENT_TYPE = "FakeVM agent"
AGENT_BINARY = "neutron-fakevm-agent"

# An exec that nobody asked about for this long (seconds) is stopped: its caller is gone.
EXEC_LEASE = 15.0


# Seconds that an answer may take: a look, work on a guest; while the last are under way nobody can reach the guest, and
# each takes milliseconds when all is well.
LOOK = 15.0
WORK = 60.0
PAUSE = 10.0

Declared = TypeVar("Declared", bound=Callable[..., object])


def takes(seconds: float, *, beside: str = "") -> Callable[[Declared], Declared]:
    """Say how long the answer of a verb may take, ``beside`` the seconds that its argument of this name gives it."""

    def mark(method: Declared) -> Declared:
        method.takes = seconds, beside  # type: ignore[attr-defined]
        return method

    return mark


class ExecAnswer(Value):
    """What a command said meanwhile, in base64; ``exit_status`` is None while it runs."""

    stdout: str
    stderr: str
    exit_status: int | None


class GuestVerbs(Protocol):
    """What an agent does with guests: each is one on this host, by its id."""

    @takes(LOOK)
    def list_guests(self) -> list[GuestSeen]:
        """List the guests on this host, those that are stopped, too."""

    @takes(LOOK)
    def show_guest(self, guest_id: str) -> GuestSeen:
        """Look at one guest. Raises NotFound."""

    @takes(WORK)
    def start(self, guest: Guest, asleep: bool = False, interfaces: tuple[Interface, ...] = ()) -> GuestSeen:
        """Make a guest with interfaces that are no ports; or bring one back that was stopped, with those that it had.

        No change when it runs. A guest made ``asleep`` sends no frame at all until it is resumed. Raises PlugFailed.
        """

    @takes(WORK, beside="patience")
    def stop(self, guest_id: str, patience: float = 0.0) -> GuestSeen:
        """End a guest and all that runs in it, and take its interfaces off the network; what it has is remembered.

        For ``patience`` seconds a virtual machine may shut down by itself, as when its power button is pressed. No
        change when it is stopped. Raises NotFound, PlugFailed.
        """

    @takes(WORK)
    def keep(self, guest_id: str, daemons: tuple[Daemon, ...]) -> GuestSeen:
        """Keep these running in a guest, and no others that were kept before; those that run as they are to go on.

        They are started again when they end, with the guest whenever it starts, and go along when it moves. Raises
        NotFound, PlugFailed.
        """

    @takes(WORK)
    def remove(self, guest_id: str) -> bool:
        """Remove a guest with its interfaces and their wiring; False when there was none. Raises PlugFailed."""

    @takes(WORK)
    def attach(self, guest_id: str, interface: Interface) -> GuestSeen:
        """Give a guest an interface that is attached to a link; no change when it has just that.

        Raises NotFound, Conflict when another interface has its name or MAC address or the link's end is taken,
        PlugFailed.
        """

    @takes(WORK)
    def attach_all(self, guest_id: str, interfaces: tuple[Interface, ...]) -> GuestSeen:
        """Do what ``attach`` does with one interface after the other, and look at the guest once. Raises likewise."""

    @takes(WORK)
    def detach(self, guest_id: str, name: str) -> bool:
        """Take an interface from a guest, which stays, even without any; False when there was none of that name.

        Raises NotFound, PlugFailed.
        """

    @takes(WORK)
    def impair(self, guest_id: str, name: str, sent: Change, received: Change) -> GuestSeen:
        """Change what befalls the frames that an interface of a guest sends, and those that it receives.

        What is not named stays. The guest's device stays as it is, and frames that are on their way leave as they were
        to. Raises NotFound, InvalidInput for what cannot be, PlugFailed.
        """

    @takes(LOOK)
    def console_log(self, guest_id: str, most: int) -> str:
        """Read the last ``most`` bytes of what a guest has said on its console. Raises NotFound, PlugFailed."""

    @takes(LOOK)
    def read_state(self, guest_id: str) -> GuestState:
        """Read the state of a guest, which goes on; of one that is asleep, what it has saved. Raises NotFound."""

    @takes(WORK)
    def prime(self, guest_id: str, state: GuestState) -> None:
        """Give a guest that is asleep a state, of which ``resume`` then does only what has changed.

        It stays asleep. What it cannot have is tried again by ``resume``. Raises NotFound, PlugFailed.
        """

    @takes(PAUSE)
    def pause(self, guest_id: str) -> GuestState:
        """Silence the guest and return its state; of one that is asleep already, return the state that it has saved.

        The state is written down first, so that it outlives both agents and the caller. Raises NotFound, PlugFailed.
        """

    @takes(PAUSE)
    def resume(self, guest_id: str, state: GuestState | None = None) -> GuestSeen:
        """Wake a guest that is asleep, with this state or else its own saved one; it announces itself to its networks.

        Returns once it can be reached. No change when it is awake. Raises NotFound, PlugFailed.
        """

    @takes(LOOK)
    def processes(self, guest_id: str) -> ProcessesSeen:
        """Say which processes of a guest can be written down, and what keeps the others from it. Raises NotFound."""

    @takes(WORK, beside="seconds")
    def checkpoint(self, guest_id: str, folder: str, seconds: float) -> Checkpoint:
        """Silence a guest, and write its processes and its files down in a new folder on its host.

        It is paused then, and its processes are stopped, until it is resumed. What of it cannot be written down goes on
        meanwhile. ``seconds`` is how long that may take. Raises NotFound, Conflict: there is such a folder; PlugFailed:
        the folder is not there, and what ran goes on; it is still silent.
        """

    @takes(WORK, beside="seconds")
    def restore(self, guest_id: str, folder: str, seconds: float) -> GuestSeen:
        """Give a guest that is asleep the processes, the files and the state of a checkpoint, and wake it.

        ``seconds`` is how long that may take. Raises NotFound: no guest, or no checkpoint; Conflict: it is awake, or
        has other interfaces; InvalidInput: the folder is not what it should be; PlugFailed: it is still asleep.
        """

    @takes(LOOK)
    def read_checkpoint(self, folder: str) -> Checkpoint:
        """Say what a folder holds. Raises NotFound: no checkpoint; InvalidInput: it is not what it should be."""

    @takes(WORK)
    def discard(self, folder: str) -> bool:
        """Remove a checkpoint; False when there was none. Raises InvalidInput: it is none; PlugFailed."""


class PortVerbs(Protocol):
    """What an agent does with ports: each is an interface of the guest that its ``instance_id`` names."""

    @takes(WORK)
    def plug(self, port: Port, asleep: bool = False) -> Vif:
        """Wire the port through os-vif and give its guest the interface, without an address yet.

        A guest that is not there is made. One made ``asleep`` sends no frame at all until it is resumed: so it waits
        for a live migration. No change when all is so already. Raises PlugFailed; Conflict when the guest has an
        interface of that name or MAC address.
        """

    @takes(LOOK, beside="timeout")
    def address(self, port_id: str, mode: Addressing, timeout: float) -> Vif:
        """Give the interface its addresses: by a real DHCP client, statically, or not at all.

        Returns when they are on the device. ``timeout`` is in seconds. Raises TimedOut, NotFound.
        """

    @takes(WORK)
    def unplug(self, port_id: str) -> bool:
        """Remove the interface and its wiring, with the guest's only one the guest; False when there was none.

        Raises PlugFailed.
        """

    @takes(WORK)
    def renew(self, port_id: str) -> bool:
        """Have Neutron's side on this host report once more that it has wired the port; no packet is lost.

        Returns False where that cannot be done. Raises NotFound, PlugFailed.
        """

    @takes(WORK, beside="seconds")
    def rewire(self, port_id: str, seconds: float) -> None:
        """Take the port away from Neutron's side for ``seconds``, and give it back: the guest stays, without a network.

        Raises NotFound, PlugFailed.
        """

    @takes(LOOK)
    def list_vifs(self) -> list[Vif]:
        """List the VIFs on this host."""

    @takes(LOOK)
    def show(self, port_id: str) -> Vif:
        """Look at one VIF. Raises NotFound."""


class CommandVerbs(Protocol):
    """What an agent does with commands that run in guests."""

    @takes(LOOK)
    def probe_start(self, guest_id: str, address: str, interval: float, duration: float) -> str:
        """Start probing ``address`` by ICMP echo from the guest, every ``interval`` seconds for ``duration`` at most.

        Returns an exec's id; its output, read with ``exec_io``, is JSON lines, ``["sent", number, time]`` and
        ``["answer", number, time]`` with times in seconds since the epoch. SIGINT ends it early. Raises NotFound.
        """

    @takes(LOOK)
    def exec_start(self, guest_id: str, command: list[str], timeout: float | None) -> str:
        """Start a command in the guest, after ``timeout`` seconds stop it; returns the exec's id. Raises NotFound."""

    @takes(LOOK, beside="wait")
    def exec_io(self, exec_id: str, stdin: str, close_stdin: bool, wait: float) -> ExecAnswer:
        """Give input, take output; waits up to ``wait`` seconds for something to say.

        ``stdin`` is base64. Once it has ended and its output has been read, the exec is forgotten. The exit status 127
        means that there is no such command, 124 that it was stopped by its time-out. Raises NotFound.
        """

    @takes(LOOK)
    def exec_signal(self, exec_id: str, signum: int) -> None:
        """Send a signal to the command and its children. Raises NotFound."""


class AgentApi(GuestVerbs, PortVerbs, CommandVerbs, Protocol):
    """The verbs of an agent. Each is idempotent, so a call may be repeated after a time-out."""
