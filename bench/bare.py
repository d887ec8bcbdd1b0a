"""Ports without FakeVM, as few steps as can be: plain HTTP, a veth pair, ovs-vsctl, dhclient. A program of its own.

It asks Neutron for just what FakeVM asks (create, bind, wait for ACTIVE), wires the port with the same
external_ids by hand, and lets the same DHCP client run in a namespace. Standard input says what to do, as JSON;
standard output says how long each part took.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

# What Neutron's few processes work on at once; FakeVM does the same.
BINDS_AT_ONCE = 4
PAUSE = 0.1

GUEST = """\
ip netns add {name}
ip link add {tap} mtu {mtu} type veth peer name {probe} address {mac} mtu {mtu} netns {name}
ethtool -K {tap} tx off >/dev/null
ip netns exec {name} ethtool -K {probe} tx off >/dev/null
ip link set {tap} up
ip -n {name} link set lo up
ip -n {name} link set {probe} up
mkdir -p /etc/netns/{name}
touch /etc/netns/{name}/resolv.conf
ln -s {dhclient} /etc/netns/{name}/dhcp
ovs-vsctl add-port br-int {tap} -- set Interface {tap} external_ids:iface-id={id} \
external_ids:iface-status=active external_ids:attached-mac={mac} external_ids:vm-uuid={vm}
"""
LEASE = """\
ip netns exec {name} dhclient -4 -1 -q \
-lf /run/{name}.leases -pf /run/{name}.pid {probe}
"""
REMOVE = """\
kill $(cat /run/{name}.pid) || true
ovs-vsctl del-port br-int {tap}
ip netns del {name}
rm -rf /etc/netns/{name} /run/{name}.*
"""


class Shell:
    """Shells on the host, opened ahead so that their start is nobody's time; a script must succeed."""

    def __init__(self, enter: list[str], count: int) -> None:
        self._shells = [
            subprocess.Popen([*enter, "sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(count)
        ]

    def each(self, scripts: Iterable[str]) -> None:
        """Run scripts, all at once."""
        busy = []
        for shell, script in zip(self._shells, scripts, strict=False):
            assert shell.stdin
            shell.stdin.write(f"( set -e\n{script}) </dev/null >&2; echo $?\n")
            shell.stdin.flush()
            busy.append((shell, script))
        for shell, script in busy:
            assert shell.stdout
            if shell.stdout.readline().strip() != "0":
                raise SystemExit(f"bare: this failed on the host:\n{script}")

    def close(self) -> None:
        """Leave the host."""
        for shell in self._shells:
            shell.communicate()


class Stopwatch:
    """Seconds of named parts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure a part."""
        begin = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begin


class Neutron:
    """Asks a Neutron without Keystone, and is answered with JSON or ends this program."""

    def __init__(self, endpoint: str, headers: dict[str, str]) -> None:
        self._place = urlsplit(endpoint).netloc
        self._headers = {"Content-Type": "application/json", **headers}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request for a path below ``/v2.0`` and give what the answer holds."""
        connection = http.client.HTTPConnection(self._place, timeout=300)
        connection.request(method, f"/v2.0{path}", body and json.dumps(body), self._headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"bare: {method} {path}: {answer.status}: {content.decode()}")
        return json.loads(content or b"null")


def names(port: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Give what the scripts speak of."""
    short = port["id"][:10]
    return {
        "id": port["id"], "mac": port["mac_address"], "vm": port["device_id"], "mtu": order["mtu"],
        "name": f"bare-{short}", "tap": f"tap{port['id']}"[:14], "probe": f"qfv{short}",
        "dhclient": order["dhclient"],
    }  # fmt: skip


def create(neutron: Neutron, order: dict[str, Any]) -> list[dict[str, Any]]:
    """Create the ports in one request, as FakeVM does."""
    bodies = [
        {
            "network_id": order["network"],
            "admin_state_up": True,
            "project_id": order["project"],
            "device_id": f"bare-{n}",
        }
        for n in range(order["count"])
    ]
    return list(neutron.ask("POST", "/ports", {"ports": bodies})["ports"])


def bind(neutron: Neutron, ports: list[dict[str, Any]], order: dict[str, Any]) -> None:
    """Bind each port to the host."""

    def one(port: dict[str, Any]) -> None:
        body = {"port": {"binding:host_id": order["host"], "device_owner": "compute:nova"}}
        bound = neutron.ask("PUT", f"/ports/{port['id']}", body)["port"]
        assert bound["binding:vif_type"] == "ovs", bound

    with ThreadPoolExecutor(BINDS_AT_ONCE) as pool:
        list(pool.map(one, ports))


def wait_active(neutron: Neutron, ports: list[dict[str, Any]]) -> None:
    """Wait until Neutron calls all ports ACTIVE."""
    deadline = time.monotonic() + 300
    query = urlencode([("id", port["id"]) for port in ports] + [("fields", "status")])
    while time.monotonic() < deadline:
        seen = neutron.ask("GET", f"/ports?{query}")["ports"]
        if all(port["status"] == "ACTIVE" for port in seen):
            return
        time.sleep(PAUSE)
    raise SystemExit(f"bare: not ACTIVE: {seen}")


def main() -> None:
    """Do it, then undo it."""
    order = json.load(sys.stdin)
    # Linux has one such clock for all processes: the start of this one counts, as FakeVM's does.
    begin = order["begun"]
    shell = Shell(order["enter"], order["count"])
    watch = Stopwatch()
    neutron = Neutron(order["endpoint"], order["headers"])
    watch.seconds["start"] = time.perf_counter() - begin
    with watch.part("create"):
        ports = create(neutron, order)
    guests = [names(port, order) for port in ports]
    with watch.part("bind"):
        bind(neutron, ports, order)
    with watch.part("plug"):
        shell.each(GUEST.format(**guest) for guest in guests)
    with watch.part("active"):
        wait_active(neutron, ports)
    with watch.part("address"):
        shell.each(LEASE.format(**guest) for guest in guests)
    addresses = [port["fixed_ips"][0]["ip_address"] for port in ports]
    with watch.part("ping"):
        subprocess.run([*order["ping"], *addresses], check=True, stdout=subprocess.DEVNULL)
    watch.seconds["total"] = time.perf_counter() - begin
    json.dump(watch.seconds, sys.stdout)
    sys.stdout.flush()
    shell.each(REMOVE.format(**guest) for guest in guests)
    for port in ports:
        neutron.ask("DELETE", f"/ports/{port['id']}")
    shell.close()


main()
