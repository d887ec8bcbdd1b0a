"""Emulated hosts on a machine without a lab: built by the agent itself, gone with the machine's next start.

As in the original tool's pictures, the provider bridges of all hosts of a machine, the real one too, are joined by a
Linux bridge ``bfv-<physnet>`` for each physical network. Unlike there, an emulated host has an Open vSwitch, a network
stack and processes of its own, so that nothing on two hosts can collide.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fakevm import names
from fakevm.errors import Conflict, LabFailed, NotFound, Prerequisite, TimedOut
from fakevm.linux import link, lock, process, supervision
from fakevm.ovs import service
from fakevm.waiting import until

from . import folder as host_folder
from .folder import Link

# Written on what we make on the machine: only what bears it is removed.
MARK = "fakevm"
_PATIENCE = 30.0
# Says, in a host's folder, that all of it was made.
_READY = "ready"


class Tunnel(NamedTuple):
    """How an emulated host reaches the tunnels: its address, and the bridge of the machine that carries them."""

    address: str
    bridge: str


class Broker(NamedTuple):
    """A message broker as the configuration names it, and its address."""

    name: str
    address: str
    port: int


class EmulatedHost(NamedTuple):
    """An emulated host to build: ``mappings`` maps each physical network to the host's provider bridge."""

    name: str
    mappings: dict[str, str]
    brokers: tuple[Broker, ...]
    tunnel: Tunnel | None
    kernel_datapath: bool


def root() -> Path:
    """Name the folder of this machine's emulated hosts."""
    return Path(os.environ.get("FAKEVM_HOSTS", "/var/lib/fakevm/hosts"))


def listed() -> list[tuple[str, int | None]]:
    """List the emulated hosts of this machine, each with the pid that holds it (None: it does not run)."""
    return [(path.name, host_folder.holder(path)) for path in sorted(root().glob("*/"))]


def enter(name: str) -> list[str]:
    """Give the words before a command that is to run in an emulated host. Raises NotFound."""
    known = dict(listed())
    if known.get(name) is None:
        running = ", ".join(host for host, pid in known.items() if pid) or "none"
        raise NotFound(f"no emulated host {name!r} runs on this machine", hint=f"Running: {running}.")
    return host_folder.enter(root() / name)


def ensure(host: EmulatedHost) -> Path:
    """Build an emulated host unless it runs already; returns its folder.

    It outlives its agent, as a machine does. Raises Conflict, Prerequisite, LabFailed, TimedOut.
    """
    place = root() / host.name
    try:
        root().mkdir(parents=True, exist_ok=True)
        with _alone():
            _ensure(host, place)
    except OSError as exc:
        raise Prerequisite(
            f"the emulated host {host.name!r} cannot be made in {place}: {exc.strerror or exc}",
            hint="Set FAKEVM_HOSTS to a folder that can be written.",
        ) from exc
    return place


def _ensure(host: EmulatedHost, place: Path) -> None:
    if host_folder.holder(place) and (place / _READY).exists():
        return
    _down(host.name)
    try:
        links = _join(host)
        _write(host, links, place)
        _start(host, place)
        process.run([*host_folder.enter(place), "sh", str(place / "switch.sh")], timeout=_PATIENCE)
        (place / _READY).touch()
    except BaseException:
        _down(host.name)
        raise


def down(name: str) -> bool:
    """End an emulated host and remove all that was made for it; False when there was none. Raises TimedOut."""
    with _alone():
        return _down(name)


def _down(name: str) -> bool:
    place = root() / name
    pid = host_folder.holder(place)
    if pid:
        _end(pid)
    if not place.exists():
        # A host whose making was refused has bridges already, but no folder.
        _remove_empty_bridges()
        return False
    peers = (place / "links.txt").read_text().split() if (place / "links.txt").exists() else []
    for peer in peers:
        if link.exists(peer):
            link.batch([f"link del {peer}"])
    if Path(f"/run/netns/{name}").exists():
        process.run(["ip", "netns", "del", name])
    shutil.rmtree(place)
    _remove_empty_bridges()
    return True


def join_machine(host: str, mappings: dict[str, str]) -> None:
    """Join the machine's own provider bridges to the physical networks of its emulated hosts; safe to repeat.

    Raises Prerequisite when the machine's Open vSwitch has no such bridge.
    """
    for network, bridge in mappings.items():
        if subprocess.run(["ovs-vsctl", "--timeout=10", "br-exists", bridge], check=False).returncode:
            raise Prerequisite(
                f"this machine's Open vSwitch has no bridge {bridge}, which bridge_mappings names for {network}",
                hint=f"Make it: ovs-vsctl add-br {bridge}",
            )
        with _alone():
            _join_bridge(host, network, bridge)


def _join_bridge(host: str, network: str, bridge: str) -> None:
    port, peer = names.machine_port(bridge), names.machine_peer(bridge)
    joint = _bridge(network)
    if not link.exists(peer):
        link.batch([f"link add {peer} type veth peer name {port}", f"link set {peer} alias {MARK}"])
    link.batch([f"link set {peer} master {joint} up", f"link set {port} up"])
    for device in (port, peer):
        process.run(["ethtool", "-K", device, "tx", "off"])
    mark = f"external_ids:{MARK}={host}"
    add = ["ovs-vsctl", "--timeout=10", "--may-exist", "add-port", bridge, port]
    process.run([*add, "--", "set", "port", port, mark])


def leave_machine() -> list[str]:
    """Undo ``join_machine``; returns the ports that were removed from the machine's bridges."""
    find = ["ovs-vsctl", "--timeout=10", "--bare", "--columns=name", "find", "port"]
    ports = [
        port
        for port in process.run(find).split()
        if process.run(["ovs-vsctl", "--if-exists", "get", "port", port, f"external_ids:{MARK}"]).strip()
    ]
    for port in ports:
        process.run(["ovs-vsctl", "--timeout=10", "--if-exists", "del-port", port])
        if link.exists(port):
            link.batch([f"link del {port}"])
    with _alone():
        _remove_empty_bridges()
    return ports


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep other commands and agents of this machine from its bridges meanwhile. Raises TimedOut.

    One that builds a host has bridges that are empty yet, which another would remove.
    """
    if not root().exists():
        yield
        return
    with lock.held(root(), 4 * _PATIENCE):
        yield


def _bridge(network: str) -> str:
    name = names.physical_network_bridge(network)
    if not link.exists(name):
        link.batch([f"link add {name} type bridge", f"link set {name} alias {MARK} up"])
    return name


def _remove_empty_bridges() -> None:
    for place in Path("/sys/class/net").glob(f"{names.physical_network_bridge('')}*"):
        with contextlib.suppress(OSError):
            marked = (place / "ifalias").read_text().strip() == MARK
            if marked and not list((place / "brif").iterdir()):
                link.batch([f"link del {place.name}"])


def _join(host: EmulatedHost) -> list[Link]:
    links = [
        Link(names.machine_peer(bridge), names.machine_port(bridge), _bridge(network))
        for network, bridge in host.mappings.items()
    ]
    for made in links:
        if link.exists(made.peer):
            raise Conflict(
                f"another host of this machine has a provider bridge that is named so: {made.peer} exists",
                hint="Give each host of a machine other names in bridge_mappings.",
            )
    if host.tunnel:
        links.append(Link(names.tunnel_peer(host.name), "underlay", _tunnel_bridge(host.tunnel.bridge)))
    return links


def _tunnel_bridge(bridge: str) -> str:
    """A Linux bridge takes the link by itself; an Open vSwitch bridge once it is there (see ``_around``)."""
    if Path(f"/sys/class/net/{bridge}/bridge").exists():
        return bridge
    if subprocess.run(["ovs-vsctl", "--timeout=10", "br-exists", bridge], check=False).returncode:
        raise Prerequisite(
            f"tunnel_interface: {bridge!r} is neither a Linux bridge nor an Open vSwitch bridge of this machine",
            hint="Name the bridge that carries this machine's tunnel address.",
        )
    return ""


def _write(host: EmulatedHost, links: list[Link], place: Path) -> None:
    place.mkdir(parents=True, mode=0o700)
    elsewhere = [broker.address for broker in host.brokers if not broker.address.startswith("127.")]
    addresses = [f"addr add {address}/32 dev lo" for address in elsewhere]
    if host.tunnel and host.kernel_datapath:
        addresses.append(f"addr add {host.tunnel.address} dev underlay")
    host_folder.write(place, host.name, links, addresses, service.programs())
    bridges = {bridge: names.machine_port(bridge) for bridge in host.mappings.values()}
    uplink, address = ("underlay", host.tunnel.address) if host.tunnel else ("", "")
    script = service.bridges_script(bridges, kernel=host.kernel_datapath, uplink=uplink, tunnel_address=address)
    (place / "switch.sh").write_text(script)
    (place / "hosts.txt").write_text("".join(f"{broker.address} {broker.name}\n" for broker in host.brokers))
    (place / "relay.cfg").write_text(_relay(host))
    (place / "around.sh").write_text(_around(host, place))


def _relay(host: EmulatedHost) -> str:
    """Configure haproxy: listen in the host where the broker seems to be, connect from the machine.

    So the host reaches the broker with neither a route out nor a rule in the machine's firewall.
    """
    head = "global\n    nbthread 1\ndefaults\n    mode tcp\n    timeout connect 5s\n"
    head += "    timeout client 1d\n    timeout server 1d\n"
    parts = [
        f"listen broker{index}\n"
        f"    bind {broker.address}:{broker.port} namespace {host.name}\n"
        f"    server broker {broker.address}:{broker.port}\n"
        for index, broker in enumerate(host.brokers)
    ]
    return head + "".join(parts)


def _around(host: EmulatedHost, place: Path) -> str:
    """Give the shell lines that run on the machine when the host starts; what they start ends with the host."""
    lines = []
    if host.tunnel and not _tunnel_bridge(host.tunnel.bridge):
        peer = names.tunnel_peer(host.name)
        lines.append(f"ovs-vsctl --timeout=10 --may-exist add-port {host.tunnel.bridge} {peer}")
        lines.append(f"ip link set {peer} up")
    if host.brokers:
        lines.append(f"setpriv --pdeathsig KILL haproxy -db -f {place}/relay.cfg >>{place}/log/relay.log 2>&1 &")
    return "\n".join(lines) + "\n"


def _start(host: EmulatedHost, place: Path) -> None:
    log = place / "log/host.log"
    with log.open("w") as output:
        started = subprocess.Popen(
            host_folder.command(host.name, place),
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip

    def unready() -> str:
        if not host_folder.holder(place):
            return "no process that holds it"
        there = supervision.is_supervised(place / "service", "ovs-vswitchd")
        return "" if there else "its switch is not supervised"

    def require() -> None:
        if started.poll() is not None:
            raise LabFailed(f"the emulated host {host.name!r} did not start: {log.read_text().strip()[-500:]}")

    what = f"the emulated host {host.name!r} was not ready"
    until(unready, what, _PATIENCE, pause=0.05, require=require, hint=f"See {log}.")


def _end(pid: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        if not select.select([handle], [], [], _PATIENCE)[0]:
            raise TimedOut(f"process {pid}, which holds the emulated host, did not end")
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
