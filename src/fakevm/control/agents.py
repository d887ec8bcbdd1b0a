"""The FakeVM agents of all hosts, reached through the broker, or each at its socket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from typing import Any, TypeVar

from fakevm.control.access import Access
from fakevm.control.broker import Broker
from fakevm.control.job import in_background
from fakevm.control.neutron import Neutron, Resource
from fakevm.control.sockets import Sockets
from fakevm.errors import AgentDown, FakevmError, NotFound
from fakevm.model.port import Vif
from fakevm.model.series import ordered, spans
from fakevm.progress import SILENT, Progress
from fakevm.rpc import codec
from fakevm.rpc.contract import AGENT_TYPE, VERSION, AgentApi
from fakevm.rpc.line import NoAnswer, OtherVersion
from fakevm.rpc.verb import remote

# Seconds. An agent that works says so more often than SILENCE; one that is silent for longer is not there.
SILENCE = 8
# The same for one that was silent just now: what is taken back on a dead host shall not take as long again.
SILENCE_AGAIN = 3
# A look takes an agent milliseconds. Where others have the answer nobody waits longer for one, and says so.
GLANCE = 2
# Hosts asked at once.
PARALLEL = 32

Answer = TypeVar("Answer")


class Agents:
    """Calls agents by the name of their host; every call ends in bounded time.

    ``away`` tells which hosts cannot answer, and why: Neutron believes in an agent for a minute after its last words.
    """

    def __init__(self, access: Access, neutron: Neutron, away: Callable[[], Mapping[str, str]] = dict) -> None:
        self._access = access
        self._neutron = neutron
        self._look_away = away
        self._away: Mapping[str, str] = {}
        self._known: dict[str, Resource] | None = None
        self._line: Future[Broker | Sockets] | None = None
        self._silent_hosts: set[str] = set()
        self._lock = threading.Lock()

    def sibling(self) -> Agents:
        """Give agents that are asked over the same connection, and of whom nothing is known yet."""
        self.prepare()
        other = Agents(self._access, self._neutron, self._look_away)
        other._line = self._line
        return other

    @property
    def guest_kind(self) -> str:
        """How guests are made of which nothing else is said."""
        return self._access.guest_kind

    # -- who is there ----------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Begin to connect to the broker in the background, while other things are looked up."""
        with self._lock:
            if self._line is None:
                self._line = in_background(lambda: _open(self._access))

    def close(self) -> None:
        """Leave the broker, if we ever went there."""
        if self._line and not self._line.exception():
            self._line.result().close()

    @contextmanager
    def claimed(
        self,
        ports: Iterable[str],
        doing: str,
        *,
        guests: Iterable[str] = (),
        patience: float = 0.0,
        progress: Progress = SILENT,
    ) -> Iterator[None]:
        """Have ports, and ``guests`` by their ids, alone among all commands, for as long as the block lasts.

        See fakevm.control.claims. A guest that another command has is waited for, ``patience`` seconds at most. Raises
        Conflict that says who has one, Unreachable.
        """
        claims = self._connected().claims
        with (
            claims.held(ports, doing, guests=guests, patience=patience, progress=progress) if claims else nullcontext()
        ):
            yield

    def known(self, *, refresh: bool = False) -> Mapping[str, Resource]:
        """Return Neutron's record of each FakeVM agent, by host; one whose host is away is not alive."""
        if self._known is None or refresh:
            looking = in_background(self._look_away)
            agents = self._neutron.agents(agent_type=AGENT_TYPE)
            self._away = looking.result()
            self._known = {a["host"]: a | {"alive": a["alive"] and a["host"] not in self._away} for a in agents}
        return self._known

    def alive(self) -> list[str]:
        """List the hosts whose agents are alive as far as Neutron knows."""
        return sorted(host for host, agent in self.known().items() if agent["alive"])

    def why_down(self, host: str) -> str:
        """Say why the agent of a host, which is not alive, cannot be asked."""
        return self._away.get(host) or f"agent down{_since(self.known()[host])}"

    def require(self, *hosts: str) -> None:
        """Make sure that the agents of these hosts are alive. Raises NotFound for an unknown host, AgentDown."""
        for host in hosts:
            agent = self.known().get(host)
            if agent is None:
                raise NotFound(f"there is no host {host!r} with a FakeVM agent", hint=self._hosts_hint())
            if not agent["alive"]:
                if host in self._away:
                    raise AgentDown(f"the FakeVM agent on {host} cannot be asked: {self._away[host]}")
                self._connected()  # without a broker every agent seems dead: then that is the error
                raise AgentDown(
                    f"the FakeVM agent on {host} is down: {_last_seen(agent)}",
                    hint=f"Start neutron-fakevm-agent on {host} again; its own log says why it ended.",
                )

    def _hosts_hint(self) -> str:
        hosts = ordered(self.known())
        return f"Hosts are: {spans(hosts)}." if hosts else "No FakeVM agent has ever reported to this Neutron."

    # -- what agents do --------------------------------------------------------------------------------------

    def on(self, host: str, silence: float = SILENCE) -> AgentApi:
        """Give the agent of a host; one that is silent for ``silence`` seconds is not there.

        Each verb raises, beside the agent's own errors, AgentDown, NotFound (no such host), Unreachable (no broker).
        """
        return remote(lambda verb, given: self.call(host, verb.name, given, verb.seconds(given), silence))

    def show(self, host: str, port_id: str, silence: float = SILENCE) -> Vif | None:
        """Look at one VIF on the host; None when it is not there. ``silence``: as of ``on``."""
        try:
            return self.on(host, silence).show(port_id)
        except NotFound:
            return None

    def list_vifs(self, host: str, silence: float = SILENCE) -> list[Vif]:
        """List the VIFs on the host. ``silence``: as of ``on``."""
        return self.on(host, silence).list_vifs()

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
        line = self._connected()
        patience = min(silence, SILENCE_AGAIN if host in self._silent_hosts else SILENCE)
        try:
            envelope = line.call(host, method, arguments, timeout, patience)
            self._silent_hosts.discard(host)
        except NoAnswer as problem:
            self._silent_hosts.add(host)
            raise self._silent(host, method, str(problem)) from problem
        except OtherVersion as problem:
            raise self._other_version(host) from problem
        return codec.unpack(envelope)

    def _connected(self) -> Broker | Sockets:
        self.prepare()
        assert self._line is not None
        return self._line.result()

    def _other_version(self, host: str) -> FakevmError:
        """Say both versions of the RPC, and which side to upgrade."""
        agent = self.known(refresh=True)[host]["configurations"]
        theirs = str(agent.get("rpc_version", ""))
        ours = f"version {VERSION} of FakeVM {version('fakevm')}"
        spoken = f"version {theirs}" if theirs else "an older version"
        newer = bool(theirs) and _order(theirs) > _order(VERSION)
        upgrade = "this command's FakeVM" if newer else f"FakeVM on {host}, and start its neutron-fakevm-agent again"
        return FakevmError(
            f"the FakeVM agent on {host} speaks {spoken} of the RPC, of FakeVM {agent.get('version', '?')}; "
            f"this command speaks {ours}",
            hint="The lab is another FakeVM's: make it anew (fakevm lab down, fakevm lab up), or use that."
            if self._access.lab
            else f"Upgrade {upgrade}.",
        )

    def _silent(self, host: str, method: str, why: str) -> FakevmError:
        """Find out why nobody answered: no broker, no such host, a dead agent."""
        try:
            self._connected().check()
            self.known(refresh=True)
            self.require(host)
        except FakevmError as problem:
            return problem
        return AgentDown(
            f"the FakeVM agent on {host} {why} ({method}); {_last_seen(self.known()[host])}",
            hint=f"It may have just ended, or {host} is cut off: look at its log there.",
        )


def _open(access: Access) -> Broker | Sockets:
    """Choose the way to the agents. Raises as Broker does."""
    return Sockets(access.lab) if access.lab and not access.lab.neutron else Broker(access)


def _since(agent: Resource) -> str:
    """Say of an agent that is down since when, if that is known."""
    return f" since {agent['heartbeat_timestamp']} UTC" if agent["heartbeat_timestamp"] else f": it {agent['problem']}"


def _last_seen(agent: Resource) -> str:
    """Say when an agent gave its last sign of life; of one that is asked itself why it gives none."""
    seen = agent["heartbeat_timestamp"]
    return f"its last heartbeat was at {seen} UTC" if seen else f"it {agent['problem']}"


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
