"""The prober in a guest: its rate, what it says of losses and duplicates, its end."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakevm import errors
from fakevm.agent.commands import Commands
from fakevm.agent.execution import Executions
from fakevm.agent.kinds import Kinds
from fakevm.agent.manager import Manager
from fakevm.agent.server import AgentEndpoint
from fakevm.agent.store import Store
from fakevm.control.agents import Agents
from fakevm.control.observer import Observer
from fakevm.model.port import Port
from fakevm.probe import icmp, outcome
from fakevm.rpc import codec

from .second_host import BridgeDriver

# Answers echo requests in the kernel's place: COPIES of each, DELAY seconds late.
_RESPONDER = """
import socket, struct, sys, threading
copies, delay = int(sys.argv[1]), float(sys.argv[2])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
print("there", flush=True)
def answer(request, whom):
    body = b"\\0\\0\\0\\0" + request[4:]
    total = sum(struct.unpack(f"!{len(body) // 2}H", body))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    for _ in range(copies):
        raw.sendto(body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:], whom)
while True:
    packet, whom = raw.recvfrom(2048)
    if packet[20] == 8:
        threading.Timer(delay, answer, (packet[20:], whom)).start()
"""
INSIDE = ["ip", "netns", "exec", "watcher"]


@pytest.fixture
def target(sh: Callable[..., str]) -> Iterator[None]:
    """A namespace that watches, and one to be watched at 10.0.0.2 and fd00::2."""
    sh(
        "ip netns add watcher && ip netns add watched && ip -n watcher link set lo up && ip -n watched link set lo up"
        " && ip -n watcher link add eth0 type veth peer name eth0 netns watched"
        " && ip -n watcher address add 10.0.0.1/24 dev eth0 && ip -n watcher address add fd00::1/64 dev eth0 nodad"
        " && ip -n watched address add 10.0.0.2/24 dev eth0 && ip -n watched address add fd00::2/64 dev eth0 nodad"
        " && ip -n watcher link set eth0 up && ip -n watched link set eth0 up"
    )
    for address in ("10.0.0.2", "fd00::2"):  # both know one another's MAC address
        sh(f"ip netns exec watcher ping -q -c1 -w10 {address}")
    yield
    sh("ip netns del watcher; ip netns del watched")


@contextlib.contextmanager
def responder(copies: int, delay: float) -> Iterator[None]:
    """Answer in the watched namespace, not as the kernel would."""
    inside = ["ip", "netns", "exec", "watched"]
    subprocess.run([*inside, "sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1"], check=True)
    command = [*inside, sys.executable, "-c", _RESPONDER, str(copies), str(delay)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    process.stdout.readline()
    yield
    process.kill()
    process.wait()
    process.stdout.close()


Lines = dict[str, list[tuple[int, float]]]


class Run:
    """A prober, read as the control side reads it."""

    def __init__(self, address: str, interval: float, duration: float) -> None:
        self._executions = Executions()
        command = [*INSIDE, *icmp.command(address, interval, duration)]
        self._id = self._executions.start(command, duration + 5)
        self._said = b""

    def signal(self, signum: int) -> None:
        self._executions.signal(self._id, signum)

    def lines(self, until: float = float("inf")) -> Lines:
        """Read to its end, or until then (``time.monotonic()``)."""
        status = None
        while status is None and time.monotonic() < until:
            answer = self._executions.io(self._id, "", True, 0.5)
            self._said += base64.b64decode(answer.stdout)
            status = answer.exit_status
            assert not answer.stderr, base64.b64decode(answer.stderr)
        assert until < float("inf") or status == 0
        said = [json.loads(line) for line in self._said.decode().splitlines()]
        return {kind: [(number, when) for name, number, when in said if name == kind] for kind in ("sent", "answer")}


def undisturbed(measure: Callable[[], Lines]) -> Lines:
    """Measure again when the machine gave the prober no processor for so long (1 s) that it began its schedule anew."""
    for _ in range(3):
        lines = measure()
        times = [when for _, when in lines["sent"]]
        if max(later - earlier for earlier, later in itertools.pairwise(times)) < 0.9:
            break
    return lines


@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
def test_rate_without_drift(target: None, address: str) -> None:
    began = time.time()
    lines = undisturbed(lambda: Run(address, 0.005, 2).lines())
    sent, answers = dict(lines["sent"]), dict(lines["answer"])
    assert list(sent) == list(range(400))
    assert sent.keys() == answers.keys()
    assert began < sent[0]
    took = [answers[number] - sent[number] for number in sent]
    assert min(took) >= 0
    assert statistics.median(took) < 0.1
    # by the clock, whatever each took: the lateness does not grow
    late = [when - sent[0] - 0.005 * number for number, when in sent.items()]
    print(f"median lateness {1000 * statistics.median(late):.2f} ms, most {1000 * max(late):.2f} ms")
    # the least of each half: drift raises it, a busy machine does not
    assert abs(min(late[200:]) - min(late[:200])) < 0.003


def test_a_prober_that_gets_no_processor_loses_nothing(target: None) -> None:
    def measure() -> Lines:
        run = Run("fd00::2", 0.002, 3)
        run.lines(time.monotonic() + 1)
        run.signal(signal.SIGSTOP)
        time.sleep(0.4)
        run.signal(signal.SIGCONT)
        return run.lines()

    lines = undisturbed(measure)
    assert len(lines["sent"]) == 1500
    assert dict(lines["sent"]).keys() == dict(lines["answer"]).keys()


def test_loss_and_duplicates(target: None, sh: Callable[..., str]) -> None:
    run = Run("10.0.0.2", 0.01, 10)  # the responder may be slow to start
    run.lines(time.monotonic() + 1)
    sh("ip netns exec watched sysctl -qw net.ipv4.icmp_echo_ignore_all=1")
    run.lines(time.monotonic() + 0.3)
    with responder(copies=2, delay=0):
        lines = run.lines()
    numbers = [number for number, _ in lines["answer"]]
    lost = [number for number, _ in lines["sent"] if number not in numbers]
    doubled = [number for number in set(numbers) if numbers.count(number) == 2]
    assert 20 < len(lost) < len(lines["sent"]) - 50
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert doubled
    assert min(doubled) > lost[-1]


def test_ends_early_and_waits_for_late_answers(target: None) -> None:
    with responder(copies=1, delay=0.1):  # late, but far from too late, unless the machine is busy
        for _ in range(3):
            run = Run("10.0.0.2", 0.01, 60)
            run.lines(time.monotonic() + 2)
            run.signal(signal.SIGINT)
            began = time.monotonic()
            lines = run.lines()
            assert time.monotonic() - began < 30
            if lines["sent"][-1][0] in dict(lines["answer"]):
                break
    assert {number for number, _ in lines["sent"]} == {number for number, _ in lines["answer"]}
    delays = [dict(lines["answer"])[number] - when for number, when in lines["sent"]]
    assert 0.1 <= min(delays) < 0.2


def test_address_that_cannot_be_reached(target: None) -> None:
    lines = undisturbed(lambda: Run("192.0.2.1", 0.01, 0.5).lines())
    assert len(lines["sent"]) == 50
    assert lines["answer"] == []


class NearAgents(Agents):
    """An agent without a broker in between."""

    def __init__(self, endpoint: AgentEndpoint) -> None:
        self._endpoint = endpoint

    def call(self, host: str, method: str, arguments: dict[str, Any], timeout: float, silence: float = 0) -> Any:
        return codec.unpack(getattr(self._endpoint, method)({}, **arguments))


@pytest.fixture
def agents(sh: Callable[..., str]) -> Iterator[NearAgents]:
    """The agent of host h2, whose guests join a Linux bridge."""
    sh("ip link add br-h2 type bridge && ip link set br-h2 up")
    manager = Manager("h2", "bridge", BridgeDriver(), Kinds("h2", Path("/run/state")), Store(Path("/run/state")))
    yield NearAgents(AgentEndpoint(manager, Commands(manager, Executions())))
    for vif in manager.list_vifs():
        manager.unplug(vif.port_id)
    sh("ip link del br-h2")


def test_an_observer_sees_a_pause(agents: NearAgents, make_port: Callable[..., Port]) -> None:
    watcher, watched = (make_port(number) for number in (3, 4))
    for port in (watcher, watched):
        bound = port.model_copy(update={"binding": port.binding.model_copy(update={"host": "h2"})})
        agents.on("h2").plug(bound)
        agents.on("h2").address(port.id, "static", 5)
    observer = Observer(agents, "h2", watcher.instance_id, "10.0.0.4", 0.01)
    observer.start()
    assert outcome.read(observer.lines(), began=0)
    time.sleep(0.5)
    began = time.monotonic()
    agents.on("h2").pause(watched.instance_id)
    time.sleep(1)
    agents.on("h2").resume(watched.instance_id)
    time.sleep(0.5)
    said = observer.stop()
    most = time.monotonic() - began + 0.5
    seen = outcome.outage(outcome.read(said, began=0), observer="watcher", interval=0.01)
    print(seen)
    assert 1 <= seen.longest_gap < most
    # some that were due in the pause may have been sent late, and answered
    assert 0.5 <= seen.lost * 0.01 < most
    assert seen.duplicated == 0


def test_an_observer_that_cannot_watch(agents: NearAgents, make_port: Callable[..., Port]) -> None:
    port = make_port()
    with pytest.raises(errors.NotFound):
        Observer(agents, "h2", port.instance_id, "10.0.0.4", 0.01).start()
    agents.on("h2").plug(port.model_copy(update={"binding": port.binding.model_copy(update={"host": "h2"})}))
    with pytest.raises(errors.FakevmError, match="ended with status 1; its last words: ValueError: 'nonsense'"):
        observer = Observer(agents, "h2", port.instance_id, "nonsense", 0.01)
        observer.start()
        observer.stop()
    with pytest.raises(errors.InvalidInput, match="cannot probe every 0"):
        Observer(agents, "h2", port.instance_id, "10.0.0.4", 0).start()
