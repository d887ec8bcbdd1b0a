"""Guests that sleep, are paused and resumed: what they keep; that they are silent until they announce themselves."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from oslo_config import cfg

from fakevm import errors, names
from fakevm.agent import config
from fakevm.agent.kinds import Kinds
from fakevm.agent.manager import Manager
from fakevm.agent.recovery import recover
from fakevm.agent.store import Store
from fakevm.guest import sleep
from fakevm.model.guest import GuestSeen, GuestState
from fakevm.model.port import FixedIp, Port
from fakevm.vif.ovs import OvsVifDriver

from .conftest import shell
from .second_host import UPLINK, SecondHost, second_host

MAC = bytes.fromhex("fa163e000003")
# asm-generic/socket.h
_SO_TIMESTAMPNS = 35


class Sniffer:
    """Reads all frames that come out of a guest's device, at its host end.

    With each is when the kernel got it (seconds since the epoch): two sniffers read when they get a processor.
    """

    def __init__(self, device: str) -> None:
        self.frames: list[tuple[float, bytes]] = []
        self._end = threading.Event()
        # ETH_P_ALL
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((device, 0))
        self._socket.settimeout(0.05)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._end.is_set():
            with contextlib.suppress(TimeoutError):
                frame, ancillary, _, (_, _, kind, _, _) = self._socket.recvmsg(2048, 64)
                if kind != socket.PACKET_OUTGOING:
                    self.frames.append((arrival(ancillary), frame))

    def of(self, mac: bytes) -> list[tuple[float, bytes]]:
        """Those that a guest sent."""
        return [(when, frame) for when, frame in self.frames if frame[6:12] == mac]

    def __enter__(self) -> Sniffer:
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._socket.close()


def arrival(ancillary: list[tuple[int, int, bytes]]) -> float:
    """Read the kernel's time; it is the only thing that we asked for."""
    ((_, _, data),) = ancillary
    seconds, nanoseconds = struct.unpack_from("ll", data)
    return float(seconds + nanoseconds / 1e9)


def kinds(frames: list[tuple[float, bytes]]) -> list[str]:
    """Name the announcements among frames. An advertisement that answers a question (RFC 4861, 4.4: S) is none."""
    found = []
    for _, frame in frames:
        protocol = int.from_bytes(frame[12:14], "big")
        if protocol == 0x0806 and frame[28:32] == frame[38:42]:
            found.append(f"GARP {socket.inet_ntoa(frame[28:32])}")
        elif protocol == 0x8035 and frame[20:22] == b"\0\3" and frame[22:28] == frame[32:38]:
            found.append("RARP")
        elif protocol == 0x86DD and frame[20] == 58 and frame[54] == 136 and unsolicited(frame):
            found.append(f"NA {socket.inet_ntop(socket.AF_INET6, frame[62:78])}")
    return found


def unsolicited(advertisement: bytes) -> bool:
    return advertisement[:6] == b"\x33\x33\0\0\0\1" and not advertisement[58] & 0x40


def announced(frames: list[tuple[float, bytes]]) -> set[int]:
    """How often each kind of announcement of port 3 is among frames."""
    found = kinds(frames)
    return {found.count(kind) for kind in ("GARP 10.0.0.3", "NA fd00::3", "RARP")}


@pytest.fixture
def manager(switch: str) -> Manager:
    return make_manager()


@pytest.fixture
def second(switch: str) -> Iterator[SecondHost]:
    """Another host, whose bridge is wired to this one's switch."""
    with second_host(f"ovs-vsctl add-port {switch} {UPLINK}") as host:
        yield host
    shell(f"ovs-vsctl --timeout=30 --if-exists del-port {switch} {UPLINK}; ip link del {UPLINK}", check=False)


def make_manager() -> Manager:
    """Make the manager of host h1, as the agent makes it when it starts."""
    cfg.CONF.reset()
    conf = config.load(["--config-file", "/dev/null"])
    return Manager("h1", "ovs", OvsVifDriver(conf), Kinds("h1", Path("/run/state")), Store(Path("/run/state")))


def host_end(port: Port) -> str:
    return names.tap(port.id)


def both(make_port: Callable[..., Port], number: int = 3, **more: object) -> Port:
    """Describe a port with an IPv4 and an IPv6 address, set statically."""
    four = FixedIp(
        address=f"10.0.0.{number}", prefix_length=24, subnet_id="s4", gateway="10.0.0.1", dns_servers=("10.0.0.2",),
        enable_dhcp=False,
    )  # fmt: skip
    six = FixedIp(address=f"fd00::{number}", prefix_length=64, subnet_id="s6", gateway="fd00::1", enable_dhcp=False)
    return make_port(number, fixed_ips=(four, six), **more)


def inside(manager: Manager | SecondHost, port: Port, command: str) -> str:
    if isinstance(manager, SecondHost):
        return manager.run(port, command)
    argv = manager.command(port.instance_id, ["sh", "-c", command])
    done = subprocess.run(argv, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_guest_made_asleep_sends_nothing(
    manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str], hybrid: bool
) -> None:
    port = make_port(hybrid=hybrid)
    other = make_port(4, hybrid=hybrid)
    manager.plug(other)
    manager.address(other.id, "static", 5)
    vif = manager.plug(port, asleep=True)
    assert vif.asleep
    assert manager.show(port.id).asleep
    assert [seen.asleep for seen in manager.list_vifs()] == [True, False]
    with Sniffer(host_end(port)) as sniffer:
        state = "LOWER_UP"
        assert state in sh(f"ip -n {vif.namespace} -o link show {vif.device}")
        inside(manager, port, f"ip address add 10.0.0.3/24 dev {vif.device}")
        inside(manager, port, f"ip address add fd00::3/64 dev {vif.device}")
        inside(manager, port, "ping -c1 -W1 10.0.0.4 || true; ping -c1 -W1 ff02::1 || true")
        inside(manager, other, "ping -c1 -W1 10.0.0.3 || true")
        time.sleep(1.5)
        assert sniffer.frames == []
        assert manager.plug(port, asleep=True).asleep
        assert sniffer.frames == []
    manager.unplug(port.id)
    manager.unplug(other.id)


def test_a_paused_guest_keeps_its_own_queues_and_filters(manager: Manager, make_port: Callable[..., Port]) -> None:
    port, device = make_port(), names.device(make_port().id)
    manager.plug(port)
    manager.address(port.id, "static", 5)
    inside(manager, port, f"tc qdisc add dev {device} root handle 7: tbf rate 8mbit burst 20000 latency 50ms")
    queue = inside(manager, port, f"tc qdisc show dev {device}")
    assert "qdisc tbf 7: root" in queue
    with Sniffer(host_end(port)) as sniffer:
        manager.pause(port.instance_id)
        paused = time.time()
        assert "qdisc tbf 7: root" in inside(manager, port, f"tc qdisc show dev {device}")
        inside(manager, port, "ping -c1 -W1 10.0.0.9 || true")
        time.sleep(0.5)
        assert [at for at, _ in sniffer.frames if at > paused] == []
        manager.resume(port.instance_id)
        wait_for(lambda: "GARP 10.0.0.3" in kinds(sniffer.frames))
    assert inside(manager, port, f"tc qdisc show dev {device}") == queue
    inside(manager, port, f"tc qdisc add dev {device} clsact")
    inside(manager, port, f"tc filter add dev {device} ingress pref 5 protocol all bpf da bytecode '1,6 0 0 0'")
    filters = inside(manager, port, f"tc filter show dev {device} ingress")
    manager.pause(port.instance_id)
    manager.resume(port.instance_id)
    assert inside(manager, port, f"tc filter show dev {device} ingress") == filters
    assert inside(manager, port, f"tc filter show dev {device} egress") == ""
    manager.unplug(port.id)


def test_where_the_kernel_has_no_filters_a_guest_sleeps_all_the_same(
    manager: Manager, make_port: Callable[..., Port], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sleep, "_filter_steps", lambda device: ("qdisc replace dev lo nonsense", "filter nonsense"))
    for asleep in (False, True):
        port = make_port()
        manager.plug(port, asleep=asleep)
        manager.pause(port.instance_id)
        with Sniffer(host_end(port)) as sniffer:
            inside(manager, port, "ping -c1 -W1 ff02::1 || true")
            time.sleep(0.5)
            assert sniffer.frames == []
            manager.resume(port.instance_id)
            wait_for(lambda: "RARP" in kinds(sniffer.frames))
        manager.unplug(port.id)


def shown(manager: Manager | SecondHost, port: Port) -> dict[str, object]:
    """What the guest has, without what changes by itself (lifetimes, how neighbours fare)."""
    device = names.device(port.id)
    addresses = json.loads(inside(manager, port, f"ip -j address show dev {device}"))[0]["addr_info"]
    neighbours = json.loads(inside(manager, port, f"ip -j neighbour show dev {device}"))
    lasting = ("local", "prefixlen", "broadcast", "address", "scope", "noprefixroute")
    return {
        "addresses": sorted(str({key: info.get(key) for key in lasting}) for info in addresses),
        "routes": sorted(inside(manager, port, "ip route; ip -6 route").splitlines()),
        "neighbours": sorted((entry["dst"], entry.get("lladdr")) for entry in neighbours),
        "resolv.conf": inside(manager, port, "cat /etc/resolv.conf"),
    }


def furnish(manager: Manager, port: Port) -> None:
    """Give the guest some of everything."""
    device = names.device(port.id)
    manager.address(port.id, "static", 5)
    for command in (
        f"address add 172.16.0.1 peer 172.16.0.2/32 dev {device}",
        f"address add 10.7.0.1/24 broadcast 10.7.0.255 dev {device} valid_lft 500 preferred_lft 400 noprefixroute",
        f"address add fd07::1/64 dev {device} nodad valid_lft 500 preferred_lft 400",
        f"route add 169.254.7.7 dev {device}",
        f"route add 0.0.0.0/1 via 169.254.7.7 dev {device}",
        f"route add 10.9.0.0/16 via 10.0.0.9 dev {device} metric 7 src 10.0.0.3 mtu 1300",
        f"route add 10.10.0.0/16 nexthop via 10.0.0.9 dev {device} nexthop via 10.0.0.8 dev {device} weight 2",
        "route add unreachable 10.99.0.0/16",
        f"-6 route add fd09::/64 via fe80::9 dev {device} expires 600",
        f"-6 route add fd10::/64 nexthop via fe80::8 dev {device} nexthop via fe80::9 dev {device}",
        "-6 route add blackhole fd99::/64",
        f"neighbour replace 10.0.0.4 lladdr fa:16:3e:00:00:04 dev {device} nud stale",
        f"neighbour replace fd00::4 lladdr fa:16:3e:00:00:04 dev {device} nud permanent",
    ):
        inside(manager, port, f"ip {command}")
    # so that IPv6 has checked its own address
    wait_for(lambda: "tentative" not in inside(manager, port, f"ip -6 address show dev {device}"))


def wait_for(condition: Callable[[], object], timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def without_time(seen: dict[str, object]) -> dict[str, object]:
    """Drop what counts down."""
    routes = [" ".join(word for word in route.split() if not word.endswith("sec")) for route in seen["routes"]]  # type: ignore[attr-defined]
    return {**seen, "routes": routes}


def test_paused_and_resumed_in_place(manager: Manager, make_port: Callable[..., Port]) -> None:
    port, other = both(make_port), both(make_port, 4)
    manager.plug(other)
    manager.address(other.id, "static", 5)
    manager.plug(port)
    furnish(manager, port)
    before = without_time(shown(manager, port))
    with Sniffer(host_end(port)) as sniffer:
        inside(manager, port, "ping -c1 -w20 10.0.0.4 && ping -c1 -w20 fd00::4")
        began = time.monotonic()
        state = manager.pause(port.instance_id)
        paused = time.monotonic()
        print(f"pause {1000 * (paused - began):.1f} ms")
        time.sleep(0.5)  # all that was sent before has been read
        sniffer.frames.clear()
        inside(manager, port, "ping -c1 -W1 10.0.0.4 || true")
        inside(manager, other, "ping -c1 -W1 10.0.0.3 || true")
        assert sniffer.frames == []
        assert manager.pause(port.instance_id) == state
        assert manager.show(port.id).asleep
        device = names.device(port.id)
        inside(
            manager, port, f"ip address del 10.0.0.3/24 dev {device}; ip route del 10.9.0.0/16; ip -6 route del ::/0"
        )
        began = time.time()
        assert not manager.resume(port.instance_id).asleep
        answered = time.time()
        wait_for(lambda: sniffer.frames)
        first = sniffer.frames[0][0]
        print(f"resume: answer {1000 * (answered - began):.1f} ms, first frame {1000 * (first - began):.1f} ms")
        inside(manager, port, "ping -c1 -w20 10.0.0.4 && ping -c1 -w20 fd00::4")
        assert without_time(shown(manager, port)) == before
        wait_for(lambda: min(announced(sniffer.frames)) >= 5)
        assert manager.resume(port.instance_id).asleep is False
        time.sleep(1)  # a sixth round would come after 0.45 s
    assert announced(sniffer.frames) == {5}
    for each in (port, other):
        manager.unplug(each.id)


def test_moves_and_two_never_speak_at_once(
    manager: Manager, second: SecondHost, make_port: Callable[..., Port]
) -> None:
    port, other = both(make_port), both(make_port, 4)
    manager.plug(other)
    manager.address(other.id, "static", 5)
    manager.plug(port)
    furnish(manager, port)
    before = without_time(shown(manager, port))
    with Sniffer(host_end(port)) as source, Sniffer(UPLINK) as destination:
        asking = subprocess.Popen(manager.command(other.instance_id, ["ping", "-q", "-i", "0.01", "10.0.0.3"]))
        assert second.plug(port, asleep=True).asleep
        second.run(port, f"ping -c1 -W1 ff02::1%{names.device(port.id)} || true")
        time.sleep(1)
        assert destination.of(MAC) == []
        assert source.of(MAC)
        assert "inet" not in second.run(port, f"ip address show dev {names.device(port.id)}")
        began = time.monotonic()
        state = manager.pause(port.instance_id)
        paused = time.monotonic()
        vif = second.resume(port.instance_id, state)
        resumed = time.monotonic()
        wait_for(lambda: min(announced(destination.of(MAC))) >= 5)
        time.sleep(1)  # a sixth round would come after 0.45 s
        asking.terminate()
        asking.wait()
        last, first = source.of(MAC)[-1][0], destination.of(MAC)[0][0]
        times = {"pause": paused - began, "resume": resumed - paused, "silence": first - last}
        print({what: f"{1000 * length:.1f} ms" for what, length in times.items()})
        assert last < first
        assert "10.0.0.3/24" in addresses(vif)
        assert not vif.asleep
        assert announced(destination.of(MAC)) == {5}
        assert "tentative" not in second.run(port, f"ip address show dev {names.device(port.id)}")
    after = without_time(shown(second, port))
    assert after == before
    inside(manager, other, "ping -c1 -w20 10.0.0.3 && ping -c1 -w20 fd00::3")
    assert second.resume(port.instance_id, state) == vif
    assert manager.show(port.id).asleep
    for each in (port, other):
        manager.unplug(each.id)


def test_a_guest_that_is_given_its_state_before_it_wakes_is_silent_and_then_has_the_latest(
    manager: Manager, second: SecondHost, make_port: Callable[..., Port]
) -> None:
    port, device = both(make_port), names.device(make_port(3).id)
    manager.plug(port)
    furnish(manager, port)
    inside(manager, port, f"ip address add 10.8.0.1/24 dev {device}; ip route add 10.20.0.0/16 via 10.8.0.9")
    second.plug(port, asleep=True)
    with Sniffer(UPLINK) as destination:
        second.call(
            "prime", guest_id=port.instance_id, state=manager.read_state(port.instance_id).model_dump(mode="json")
        )
        assert "10.8.0.1/24" in second.run(port, "ip address")
        inside(manager, port, f"ip route del 10.20.0.0/16; ip address del 10.8.0.1/24 dev {device}")
        inside(manager, port, f"ip address add 10.6.0.1/24 dev {device}; ip route del 10.9.0.0/16")
        second.run(port, "ping -c1 -W1 10.0.0.4 || true")
        before = without_time(shown(manager, port))
        state = manager.pause(port.instance_id)
        assert destination.of(MAC) == []
        assert not second.resume(port.instance_id, state).asleep
        wait_for(lambda: kinds(destination.of(MAC)))
        assert kinds(destination.of(MAC))[0] == "RARP"
    assert without_time(shown(second, port)) == before
    manager.unplug(port.id)


def addresses(guest: GuestSeen) -> tuple[str, ...]:
    """The addresses of a guest's only interface."""
    (interface,) = guest.interfaces
    return interface.addresses


def leases(state: GuestState) -> dict[str, str]:
    """The leases of a guest's only interface."""
    (only,) = state.interfaces.values()
    return only.leases


def leased(manager: Manager, second: SecondHost, port: Port) -> tuple[Port, GuestState]:
    """Have a guest with a lease about to wake on the second host."""
    manager.plug(port)
    manager.address(port.id, "dhcp", 60)
    second.plug(port, asleep=True)
    return port, manager.pause(port.instance_id)


def test_moved_guest_renews_its_lease(
    manager: Manager, dhcp_server: str, second: SecondHost, make_port: Callable[..., Port]
) -> None:
    port, state = leased(manager, second, make_port())
    assert "lease {" in leases(state)["dhclient.leases"]
    log = Path("/run/dnsmasq.log")
    before = len(log.read_text())
    assert addresses(second.resume(port.instance_id, state)) == ("10.0.0.3/24",)
    manager.unplug(port.id)

    def asked() -> list[str]:
        assert second.call("show", port_id=port.id)["addresses"] == ["10.0.0.3/24"]
        return [line.split(": ")[1].split("(")[0] for line in log.read_text()[before:].splitlines() if "DHCP" in line]

    wait_for(lambda: "DHCPACK" in asked(), 60)
    wait_for(lambda: "dhclient" in second.run(port, "ps -e"))
    time.sleep(0.5)
    # each once or, when the answer was slow, again
    assert list(dict.fromkeys(asked())) == ["DHCPREQUEST", "DHCPACK"]
    assert "default via 10.0.0.1" in second.run(port, "ip route")
    # and moves on, with the lease that it has now
    assert "lease {" in leases(second.pause(port.instance_id))["dhclient.leases"]


def test_a_guest_that_is_paused_again_before_its_client_runs_keeps_its_lease(
    manager: Manager, dhcp_server: str, second: SecondHost, make_port: Callable[..., Port]
) -> None:
    """As in a migration that is undone just after the guest woke."""
    port, state = leased(manager, second, make_port())
    second.resume(port.instance_id, state)
    assert leases(second.pause(port.instance_id)) == leases(state)
    manager.unplug(port.id)


def test_guest_that_cannot_have_its_state_stays_asleep(
    manager: Manager, second: SecondHost, make_port: Callable[..., Port]
) -> None:
    port = both(make_port)
    manager.plug(port)
    manager.address(port.id, "static", 5)
    second.plug(port, asleep=True)
    state = manager.pause(port.instance_id)
    ((device, had),) = state.interfaces.items()
    routes = (*had.routes, "10.5.0.0/16 via 10.66.0.1")
    odd = state.model_copy(update={"interfaces": {device: had.model_copy(update={"routes": routes})}})
    with Sniffer(UPLINK) as destination:
        with pytest.raises(errors.PlugFailed, match=r"10\.5\.0\.0/16 via 10\.66\.0\.1"):
            second.resume(port.instance_id, odd)
        time.sleep(1)
        assert destination.of(MAC) == []
        assert second.call("show", port_id=port.id)["asleep"]
        assert not manager.resume(port.instance_id).asleep
        assert not second.resume(port.instance_id, state).asleep
        wait_for(lambda: destination.of(MAC))
    manager.unplug(port.id)


@pytest.mark.parametrize("remade", [False, True])
def test_restart_keeps_asleep_what_slept(
    switch: str, make_port: Callable[..., Port], sh: Callable[..., str], remade: bool
) -> None:
    manager = make_manager()
    paused, made, half = (both(make_port, number) for number in (3, 4, 5))
    manager.plug(paused)
    before = set(manager.address(paused.id, "static", 5).addresses)
    manager.pause(paused.instance_id)
    manager.plug(made, asleep=True)
    manager.plug(half, asleep=True)
    store = Store(Path("/run/state"))
    record = store.get(half.instance_id)
    assert record
    store.put(record.model_copy(update={"state": "starting"}))
    # as if the agent had died between writing it down and doing it; and as if the host had been reset
    sh(f"tc -n {names.guest_namespace('h1', paused.id)} qdisc del dev {names.device(paused.id)} clsact")
    if remade:
        sh(f"ip netns del {names.guest_namespace('h1', paused.id)}")
    del manager  # the helpers that waited in its guests end with it
    gc.collect()
    again = make_manager()
    recover(again)
    assert [(vif.asleep, vif.state, vif.problem) for vif in again.list_vifs()] == [(True, "plugged", "")] * 3
    for port in (paused, made, half):
        with Sniffer(host_end(port)) as sniffer:
            inside(again, port, f"ping -c1 -W1 ff02::1%{names.device(port.id)} || true")
            time.sleep(0.3)
            assert sniffer.frames == []
            assert again.resume(port.instance_id).asleep is False
            wait_for(lambda: sniffer.frames)
    assert set(again.show(paused.id).addresses) == before
    for port in (paused, made, half):
        again.unplug(port.id)


def test_plug_of_what_sleeps_wakes_it(manager: Manager, make_port: Callable[..., Port]) -> None:
    port = both(make_port)
    manager.plug(port, asleep=True)
    with pytest.raises(errors.Conflict, match="asleep"):
        manager.address(port.id, "static", 5)
    assert not manager.plug(port).asleep
    given = set(manager.address(port.id, "static", 5).addresses)
    manager.pause(port.instance_id)
    assert set(manager.plug(port).addresses) >= given
    assert set(manager.show(port.id).addresses) == given
    vif = manager.plug(port, asleep=True)
    assert (vif.asleep, vif.addresses) == (True, ())
    with Sniffer(host_end(port)) as sniffer:
        time.sleep(0.5)
        assert sniffer.frames == []
    manager.unplug(port.id)
    for call in (manager.pause, manager.resume):
        with pytest.raises(errors.NotFound):
            call(port.instance_id)


@pytest.fixture
def router(switch: str) -> Iterator[None]:
    """Run a dnsmasq that advertises itself as the router of fd05::/64, every few seconds and when it is asked."""
    shell(
        "ip netns add router && ip link add router0 type veth peer name eth0 netns router && ip link set router0 up"
        " && ip -n router link set lo up && ip -n router link set eth0 up"
        " && ip -n router addr add fd05::1/64 dev eth0 nodad && ip netns exec router ethtool -K eth0 tx off"
        f" && ip netns exec router sysctl -qw net.ipv6.conf.all.forwarding=1 && ovs-vsctl add-port {switch} router0"
    )
    Path("/run/dnsmasq.conf").write_text(
        "port=0\nuser=\ngroup=\ninterface=eth0\nenable-ra\nra-param=eth0,4,300\ndhcp-range=fd05::,ra-only,64,3600\n"
    )
    server = subprocess.Popen(
        ["ip", "netns", "exec", "router", "dnsmasq", "--keep-in-foreground", "--conf-file=/run/dnsmasq.conf"]
    )
    yield
    server.terminate()
    server.wait(30)
    shell(f"ovs-vsctl --if-exists del-port {switch} router0; ip netns del router; ip link del router0", check=False)


def test_moved_guest_keeps_what_its_router_advertised(
    manager: Manager, router: None, second: SecondHost, make_port: Callable[..., Port]
) -> None:
    fixed = FixedIp(address="fd05::f816:3eff:fe00:3", prefix_length=64, subnet_id="s6", ipv6_address_mode="slaac")
    port = make_port(fixed_ips=(fixed,))
    manager.plug(port)
    manager.address(port.id, "auto", 60)
    assert second.plug(port, asleep=True).addresses == ()

    def expires() -> int:
        return int(json.loads(inside(manager, port, "ip -j -6 route show default"))[0]["expires"])

    advertised = expires()
    time.sleep(2)
    wait_for(lambda: expires() >= advertised, 25)  # another advertisement, for all
    assert second.call("show", port_id=port.id)["addresses"] == []
    state = manager.pause(port.instance_id)
    assert addresses(second.resume(port.instance_id, state)) == ("fd05::f816:3eff:fe00:3/64",)
    manager.unplug(port.id)
    second.run(port, "ping -c1 -w20 fd05::1")
    assert "via fe80::" in second.run(port, "ip -6 route show default")
    device = names.device(port.id)

    def lifetime() -> int:
        shown = json.loads(second.run(port, f"ip -j -6 address show dev {device} scope global"))
        return int(shown[0]["addr_info"][0]["valid_life_time"])

    # the kernel goes on with it: the next advertisement renews it
    second.run(port, f"ip address replace {fixed.address}/64 dev {device} valid_lft 100 preferred_lft 100 mngtmpaddr")
    wait_for(lambda: lifetime() > 100, 25)
    assert second.run(port, "ip -6 route show default").count("::") <= 2
