"""Guests that sleep, are paused and resumed: what they keep, and that they are silent until they announce themselves."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from oslo_config import cfg

from fakevm import errors, names
from fakevm.agent import config
from fakevm.agent.manager import Manager
from fakevm.agent.store import Store
from fakevm.guest.namespace import NamespaceGuest
from fakevm.model.guest import GuestState
from fakevm.model.port import FixedIp, Port, Vif
from fakevm.vif.ovs import OvsVifDriver

MAC = bytes.fromhex("fa163e000003")


class Sniffer:
    """Reads all frames that come out of a guest's device, at its host end."""

    def __init__(self, device: str) -> None:
        self.frames: list[tuple[float, bytes]] = []
        self._end = threading.Event()
        # ETH_P_ALL
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.bind((device, 0))
        self._socket.settimeout(0.05)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._end.is_set():
            with contextlib.suppress(TimeoutError):
                frame, (_, _, kind, _, _) = self._socket.recvfrom(2048)
                if kind != socket.PACKET_OUTGOING:
                    self.frames.append((time.monotonic(), frame))

    def __enter__(self) -> Sniffer:
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._socket.close()


def kinds(frames: list[tuple[float, bytes]]) -> list[str]:
    """Name the announcements among frames."""
    found = []
    for _, frame in frames:
        protocol = int.from_bytes(frame[12:14], "big")
        if protocol == 0x0806 and frame[28:32] == frame[38:42]:
            found.append(f"GARP {socket.inet_ntoa(frame[28:32])}")
        elif protocol == 0x8035 and frame[20:22] == b"\0\3" and frame[22:28] == frame[32:38]:
            found.append("RARP")
        elif protocol == 0x86DD and frame[20] == 58 and frame[54] == 136:
            found.append(f"NA {socket.inet_ntop(socket.AF_INET6, frame[62:78])}")
    return found


@pytest.fixture
def manager(switch: str) -> Manager:
    return make_manager()


def make_manager() -> Manager:
    """Make the manager of host h1, as the agent makes it when it starts."""
    cfg.CONF.reset()
    conf = config.load(["--config-file", "/dev/null"])
    return Manager("h1", "ovs", OvsVifDriver(conf), NamespaceGuest("h1"), Store(Path("/run/state")))


def host_end(port: Port, hybrid: bool = False) -> str:
    return names.probe_peer(port.id) if hybrid else names.tap(port.id)


def both(make_port: Callable[..., Port], number: int = 3, **more: object) -> Port:
    """Describe a port with an IPv4 and an IPv6 address, set statically."""
    four = FixedIp(
        address=f"10.0.0.{number}", prefix_length=24, subnet_id="s4", gateway="10.0.0.1", dns_servers=("10.0.0.2",),
        enable_dhcp=False,
    )  # fmt: skip
    six = FixedIp(
        address=f"fd00::{number}", prefix_length=64, subnet_id="s6", gateway="fd00::1", enable_dhcp=False
    )
    return make_port(number, fixed_ips=(four, six), **more)


def inside(manager: Manager, port: Port, command: str) -> str:
    argv = manager.command(port.id, ["sh", "-c", command])
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
    with Sniffer(host_end(port, hybrid)) as sniffer:
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
