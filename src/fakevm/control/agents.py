"""The FakeVM agents of all hosts, reached through the broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from fakevm.control.access import Access
from fakevm.control.broker import Broker
from fakevm.control.job import in_background
from fakevm.control.neutron import Neutron, Resource
from fakevm.errors import AgentDown, FakevmError, NotFound, Unreachable
from fakevm.model.guest import GuestState
from fakevm.model.port import Addressing, Port, Vif
from fakevm.model.series import ordered, spans
from fakevm.rpc import codec
from fakevm.rpc.contract import AGENT_TYPE, VERSION

# Seconds. An agent that works says so more often than SILENCE; one that is silent for longer is not there.
SILENCE = 8
# The same for one that was silent just now: what is taken back on a dead host shall not take as long again.
SILENCE_AGAIN = 3
# A look takes an agent milliseconds. Where others have the answer nobody waits longer for one, and says so.
GLANCE = 2
PLUG_TIMEOUT = 60
UNPLUG_TIMEOUT = 60
LOOK_TIMEOUT = 15
# While these two are under way nobody can reach the guest; each takes milliseconds when all is well.
PAUSE_TIMEOUT = 10
RESUME_TIMEOUT = 10
# Hosts asked at once.
PARALLEL = 32

Answer = TypeVar("Answer")


class Agents:
    """Calls agents by the name of their host; every call ends in bounded time."""

    def __init__(self, access: Access, neutron: Neutron) -> None:
        self._access = access
        self._neutron = neutron
        self._known: dict[str, Resource] | None = None
        self._broker: Future[Broker] | None = None
        self._silent_hosts: set[str] = set()
        self._lock = threading.Lock()

    # -- who is there ----------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Begin to connect to the broker in the background, while other things are looked up."""
        with self._lock:
            if self._broker is None:
                self._broker = in_background(lambda: Broker(self._access))

    def close(self) -> None:
        """Leave the broker, if we ever went there."""
        if self._broker and not self._broker.exception():
            self._broker.result().close()

    @contextmanager
    def claimed(self, ports: Iterable[str], doing: str) -> Iterator[None]:
        """Have ports alone, among all commands, for as long as the block lasts (see fakevm.control.claims).

        Raises Conflict that says who has one, Unreachable.
        """
        claims = self._connected().claims
        with claims.held(ports, doing) if claims else nullcontext():
            yield

    def known(self, *, refresh: bool = False) -> Mapping[str, Resource]:
        """Return Neutron's record of each FakeVM agent, by host."""
        if self._known is None or refresh:
            self._known = {agent["host"]: agent for agent in self._neutron.agents(agent_type=AGENT_TYPE)}
        return self._known

    def alive(self) -> list[str]:
        """List the hosts whose agents are alive as far as Neutron knows."""
        return sorted(host for host, agent in self.known().items() if agent["alive"])

    def require(self, *hosts: str) -> None:
        """Make sure that the agents of these hosts are alive. Raises NotFound for an unknown host, AgentDown."""
        for host in hosts:
            agent = self.known().get(host)
            if agent is None:
                raise NotFound(f"there is no host {host!r} with a FakeVM agent", hint=self._hosts_hint())
            if not agent["alive"]:
                self._connected()  # without a broker every agent seems dead: then that is the error
                raise AgentDown(
                    f"the FakeVM agent on {host} is down: its last heartbeat was at {agent['heartbeat_timestamp']} UTC",
                    hint=f"Start neutron-fakevm-agent on {host} again; its own log says why it ended.",
                )

    def _hosts_hint(self) -> str:
        hosts = ordered(self.known())
        return f"Hosts are: {spans(hosts)}." if hosts else "No FakeVM agent has ever reported to this Neutron."

    # -- what agents do --------------------------------------------------------------------------------------

    def plug(self, host: str, port: Port, asleep: bool = False) -> Vif:
        """Wire the port on the host and make its guest; one that is ``asleep`` sends no frame. Raises PlugFailed."""
        answer = self.call(host, "plug", {"port": port.model_dump(mode="json"), "asleep": asleep}, PLUG_TIMEOUT)
        return Vif.model_validate(answer)

    def address(self, host: str, port_id: str, mode: Addressing, timeout: float) -> Vif:
        """Give the guest its addresses, within ``timeout`` seconds. Raises TimedOut, NotFound."""
        arguments = {"port_id": port_id, "mode": mode, "timeout": timeout}
        answer = self.call(host, "address", arguments, timeout + LOOK_TIMEOUT)
        return Vif.model_validate(answer)

    def read_state(self, host: str, port_id: str) -> GuestState:
        """Read the state of a guest, which goes on. Raises NotFound, PlugFailed."""
        return GuestState.model_validate(self.call(host, "read_state", {"port_id": port_id}, LOOK_TIMEOUT))

    def prime(self, host: str, port_id: str, state: GuestState) -> None:
        """Give a sleeping guest a state beforehand. Raises NotFound, PlugFailed."""
        self.call(host, "prime", {"port_id": port_id, "state": state.model_dump(mode="json")}, PLUG_TIMEOUT)

    def pause(self, host: str, port_id: str) -> GuestState:
        """Silence the guest, and give the state that another is to be woken with. Raises NotFound, PlugFailed."""
        return GuestState.model_validate(self.call(host, "pause", {"port_id": port_id}, PAUSE_TIMEOUT))

    def resume(self, host: str, port_id: str, state: GuestState | None = None) -> Vif:
        """Wake a guest, with this state or with what it had; it announces itself. Raises NotFound, PlugFailed."""
        brought = state.model_dump(mode="json") if state is not None else None
        answer = self.call(host, "resume", {"port_id": port_id, "state": brought}, RESUME_TIMEOUT)
        return Vif.model_validate(answer)

    def probe_start(self, host: str, port_id: str, address: str, interval: float, duration: float) -> str:
        """Probe an address from a guest, every ``interval`` seconds for ``duration`` at most; gives an exec's id.

        Raises NotFound. fakevm.control.observer reads what it says.
        """
        arguments = {"port_id": port_id, "address": address, "interval": interval, "duration": duration}
        return str(self.call(host, "probe_start", arguments, LOOK_TIMEOUT))

    def unplug(self, host: str, port_id: str) -> bool:
        """Remove guest and wiring; False when there was nothing. Raises PlugFailed."""
        return bool(self.call(host, "unplug", {"port_id": port_id}, UNPLUG_TIMEOUT))

    def renew(self, host: str, port_id: str) -> bool:
        """Have Neutron's side report once more that it has wired a port; False: cannot. Raises NotFound, PlugFailed."""
        return bool(self.call(host, "renew", {"port_id": port_id}, PLUG_TIMEOUT))

    def rewire(self, host: str, port_id: str, seconds: float) -> None:
        """Take a port away from Neutron's side for ``seconds`` and give it back. Raises NotFound, PlugFailed."""
        self.call(host, "rewire", {"port_id": port_id, "seconds": seconds}, PLUG_TIMEOUT)

    def list_vifs(self, host: str, silence: float = SILENCE) -> list[Vif]:
        """List the VIFs on the host; one that is silent for ``silence`` seconds is not there."""
        return [Vif.model_validate(vif) for vif in self.call(host, "list_vifs", {}, LOOK_TIMEOUT, silence)]

    def show(self, host: str, port_id: str, silence: float = SILENCE) -> Vif | None:
        """Look at one VIF on the host; None when it is not there. ``silence``: as of list_vifs."""
        try:
            return Vif.model_validate(self.call(host, "show", {"port_id": port_id}, LOOK_TIMEOUT, silence))
        except NotFound:
            return None

    def ask_all(self, hosts: Iterable[str], ask: Callable[[str], Answer]) -> dict[str, Answer | FakevmError]:
        """Ask many hosts at once; gives each host's answer, or the error it ended in."""

        def attempt(host: str) -> Answer | FakevmError:
            try:
                return ask(host)
            except FakevmError as problem:
                return problem

        names = list(hosts)
        if not names:
            return {}
        with ThreadPoolExecutor(min(len(names), PARALLEL)) as executor:
            return dict(zip(names, executor.map(attempt, names), strict=True))

    # -- the one way out -------------------------------------------------------------------------------------

    def call(self, host: str, method: str, arguments: dict[str, Any], timeout: float, silence: float = SILENCE) -> Any:
        """Call an agent's method, ``timeout`` in seconds, and open its answer; give up after so long a ``silence``.

        Raises the agent's own error; AgentDown or NotFound when it does not answer; Unreachable without a broker.
        """
        client = self._connected().client
        import oslo_messaging

        patience = min(silence, SILENCE_AGAIN if host in self._silent_hosts else SILENCE)
        prepared = client.prepare(server=host, timeout=timeout, call_monitor_timeout=patience)
        try:
            envelope = prepared.call({}, method, **arguments)
            self._silent_hosts.discard(host)
        except oslo_messaging.MessagingTimeout as problem:
            self._silent_hosts.add(host)
            raise self._silent(host, method, patience) from problem
        except oslo_messaging.RemoteError as problem:
            if problem.exc_type == "UnsupportedVersion":
                raise FakevmError(
                    f"the FakeVM agent on {host} is an older one: it does not know {method} as of version {VERSION}",
                    hint="Start it again there, from the FakeVM that this command is of.",
                ) from problem
            raise FakevmError(
                f"the FakeVM agent on {host} failed in {method}: {problem.exc_type}: {problem.value}",
                hint="This is a fault of FakeVM's own; the agent's log has the whole story.",
            ) from problem
        except oslo_messaging.MessagingException as problem:
            raise Unreachable(f"could not send {method} to {host}: {problem}") from problem
        return codec.unpack(envelope)

    def _connected(self) -> Broker:
        self.prepare()
        assert self._broker is not None
        return self._broker.result()

    def _silent(self, host: str, method: str, silence: float) -> FakevmError:
        """Find out why nobody answered: no broker, no such host, a dead agent."""
        try:
            self._connected().check()
            self.known(refresh=True)
            self.require(host)
        except FakevmError as problem:
            return problem
        heartbeat = self.known()[host]["heartbeat_timestamp"]
        return AgentDown(
            f"the FakeVM agent on {host} did not answer within {silence:g} s ({method}); its last heartbeat was at"
            f" {heartbeat} UTC",
            hint=f"It may have just ended, or {host} is cut off: look at its log there.",
        )
