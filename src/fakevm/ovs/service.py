"""Open vSwitch as a host runs it: the daemons, and the bridges that it must have before an agent comes."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path

from fakevm.model.program import Program

SCRIPTS = Path(__file__).parent / "scripts"
SOCKET = "/run/openvswitch/db.sock"
# The bridge that carries the tunnel address when Open vSwitch forwards in user space: a userspace tunnel needs its
# local address on the internal port of a bridge of that datapath which has the uplink as a port (OVS, "userspace
# tunneling" how-to).
UPLINK_BRIDGE = "br-underlay"
# Where neutron-openvswitch-agent listens by default ([ovs] of_listen_address, of_listen_port).
_CONTROLLER_PORT = 6633
_CONTROLLER = f"tcp:127.0.0.1:{_CONTROLLER_PORT}"
# Where nobody does: the controller until the agent listens (controllers.sh).
_NOBODY = "tcp:127.0.0.1:6634"


def datapath(kernel: bool) -> str:
    """Name the datapath type, as Open vSwitch does."""
    return "system" if kernel else "netdev"


def programs() -> tuple[Program, ...]:
    """Open vSwitch's two daemons, started with the host."""
    database = "/run/openvswitch/conf.db"
    schema = "/usr/share/openvswitch/vswitch.ovsschema"
    server = Program(
        name="ovsdb-server",
        before=(f"[ -e {database} ] || ovsdb-tool create {database} {schema}",),
        command=(
            "ovsdb-server", database,
            f"--remote=punix:{SOCKET}", "--remote=ptcp:6640:127.0.0.1",
            "--pidfile", "-vconsole:warn", "-vsyslog:off",
        ),
        held=False,
    )  # fmt: skip
    switch = Program(
        name="ovs-vswitchd",
        before=(
            # s6 starts both at once: the switch waits for its database.
            f"until [ -S {SOCKET} ]; do sleep 0.05; done",
            "ovs-vsctl --no-wait init -- set Open_vSwitch . external-ids:system-id=$(hostname)",
            f"sh {SCRIPTS}/lost-ports.sh",
        ),
        command=("ovs-vswitchd", f"unix:{SOCKET}", "--pidfile", "-vconsole:warn", "-vsyslog:off"),
        held=False,
    )
    return server, switch


def bridges_script(
    bridges: Mapping[str, str],
    *,
    kernel: bool,
    uplink: str = "",
    tunnel_address: str = "",
    controlled: Mapping[str, Sequence[str]] | None = None,
    tunnels: Mapping[str, str] | None = None,
) -> str:
    """Write the shell commands that give a switch its bridges; safe to run again while no agent controls them.

    ``bridges`` maps each provider bridge to its port; ``uplink`` is the device that carries the tunnels, and
    ``tunnel_address`` the host's address on it in CIDR form. ``controlled`` are the bridges to which
    neutron-openvswitch-agent will set itself as the controller, each with the OpenFlow protocols that it will add.
    ``tunnels`` maps each of its tunnels' ports in br-tun, which must be one of them, to what the port's options say.
    """
    kind = datapath(kernel)
    # One pair of handler and revalidator threads is enough for a host of a lab.
    commands = ["set Open_vSwitch . other_config:n-handler-threads=1 other_config:n-revalidator-threads=1"]
    for bridge, port in bridges.items():
        commands += _bridge(bridge, port, kind)
    for bridge, protocols in (controlled or {}).items():
        commands += _controlled(bridge, kind, protocols)
    for port, options in (tunnels or {}).items():
        commands.append(f"--may-exist add-port br-tun {port} -- set interface {port} type=vxlan {options}")
    userspace_tunnel = bool(uplink) and not kernel
    if userspace_tunnel:
        commands += _bridge(UPLINK_BRIDGE, uplink, kind)
        # A machine keeps its MAC when it starts anew; other switches remember it for a quarter of an hour, and ask
        # nobody meanwhile (OVS 3.1, lib/tnl-neigh-cache.c).
        commands.append(f"set bridge {UPLINK_BRIDGE} other_config:hwaddr='\"{_mac(tunnel_address)}\"'")
    # The database starts beside this.
    wait = f"timeout 30 sh -c 'until [ -S {SOCKET} ]; do sleep 0.05; done'"
    lines = ["set -e", wait, "ovs-vsctl --timeout=30 " + " -- ".join(commands)]
    if controlled:
        # Beside the agent, and nobody's child: the agent's supervisor ends it with the agent's group.
        script = f"sh {SCRIPTS}/controllers.sh {_NOBODY} {_CONTROLLER} {_CONTROLLER_PORT}"
        lines.append(f"({script} </dev/null >/dev/null 2>&1 &)")
    if userspace_tunnel:
        lines += [
            f"ip addr replace {tunnel_address} dev {UPLINK_BRIDGE}",
            f"ip link set {UPLINK_BRIDGE} up",
            f"ethtool -K {UPLINK_BRIDGE} tx off >/dev/null",
        ]
    return "\n".join(lines) + "\n"


def _mac(address: str) -> str:
    """Make a MAC (unicast, locally administered) of an address in CIDR form."""
    return bytes((0x0A, 0, *ipaddress.ip_interface(address).ip.packed[-4:])).hex(":")


def _controlled(bridge: str, kind: str, protocols: Sequence[str]) -> list[str]:
    """Give a bridge a controller, and the protocols that Neutron's agent would give it, and then sleep for a second.

    For each bridge that lacks them, or the agent as its controller (29.0.0, neutron.agent.common.ovs_lib,
    ``set_controller`` and ``add_protocols``: a way around LP 1948642). It becomes that as soon as it listens
    (controllers.sh). Without any controller in between: Open vSwitch would remove all flows. It asks for a controller
    each second, not after up to eight.
    """
    return [
        f"--may-exist add-br {bridge} -- set bridge {bridge} datapath_type={kind} fail_mode=secure"
        f" protocols={','.join(protocols)} other_config:disable-in-band=true",
        f"set-controller {bridge} {_NOBODY}",
        f"set controller {bridge} max_backoff=1000 inactivity_probe=10000",
    ]


def _bridge(bridge: str, port: str, kind: str) -> list[str]:
    return [
        f"--may-exist add-br {bridge} -- set bridge {bridge} datapath_type={kind}",
        f"--may-exist add-port {bridge} {port}",
    ]
