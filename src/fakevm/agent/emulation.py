"""``enable_multi_node_emulate``: the agent builds its emulated host by itself, or joins the real one to the others.

A host that bears the machine's own name ([DEFAULT] host, else the hostname) is the machine; any other is emulated.
The agent of an emulated host runs in it: this process makes the host, enters it and becomes that agent.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oslo_config import cfg

from fakevm.errors import InvalidInput
from fakevm.host import machine

from . import plugin

# Set, to the host's folder, in an agent that runs in the emulated host which it built.
INSIDE = "FAKEVM_EMULATED_HOST"

# Neutron's own options, from the file of its Open vSwitch agent.
_OVS_OPTIONS = [cfg.ListOpt("bridge_mappings", default=[]), cfg.StrOpt("local_ip"), cfg.StrOpt("datapath_type")]


def inside() -> Path | None:
    """Give the folder of the emulated host in which this agent runs, None for an agent on a machine or in a lab."""
    return Path(os.environ[INSIDE]) if INSIDE in os.environ else None


def prepare(conf: Any, argv: Sequence[str]) -> None:
    """Join the machine to its emulated hosts and return; or build the emulated host and become its agent.

    Raises InvalidInput, Prerequisite, Conflict, LabFailed.
    """
    name = conf.fakevm.fakevm_agent_plugin
    if not plugin.find(name).uses_open_vswitch:
        raise InvalidInput(
            f"enable_multi_node_emulate: its hosts have an Open vSwitch each, of which {name} makes no use",
            hint=f"Its hosts are emulated in a lab: fakevm lab up --backend {name}",
        )
    conf.register_opts(_OVS_OPTIONS, group="ovs")
    mappings = _mappings(conf.ovs.bridge_mappings)
    name = conf.fakevm.host
    if name == (conf.host or socket.gethostname()):
        machine.join_machine(name, mappings)
        return
    place = machine.ensure(
        machine.EmulatedHost(
            name=name,
            mappings=mappings,
            brokers=_brokers(conf),
            tunnel=_tunnel(conf) if conf.fakevm.use_tunnel else None,
            kernel_datapath=(conf.ovs.datapath_type or "system") == "system",
        )
    )
    agent = ["env", f"{INSIDE}={place}", sys.executable, "-m", "fakevm.agent.main", *argv]
    command = [*machine.enter(name), *agent]
    os.execvp(command[0], command)


def _mappings(words: Sequence[str]) -> dict[str, str]:
    pairs = [word.split(":") for word in words]
    wrong = [word for word, pair in zip(words, pairs, strict=True) if len(pair) != 2 or not all(pair)]
    if wrong:
        raise InvalidInput(f"[ovs] bridge_mappings: {', '.join(wrong)}: each must be PHYSICAL_NETWORK:BRIDGE")
    return dict(pairs)


def _tunnel(conf: Any) -> machine.Tunnel:
    if not conf.ovs.local_ip or not conf.fakevm.tunnel_interface:
        raise InvalidInput(
            "use_tunnel needs [ovs] local_ip, the host's tunnel address, and [fakevm] tunnel_interface,"
            " the bridge of this machine that carries the tunnels"
        )
    # Everything that carries tunnels is on the link: routers between hosts are the machine's business.
    return machine.Tunnel(f"{conf.ovs.local_ip}/16", conf.fakevm.tunnel_interface)


def _brokers(conf: Any) -> tuple[machine.Broker, ...]:
    import oslo_messaging

    found = []
    for host in oslo_messaging.TransportURL.parse(conf).hosts:
        port = host.port or 5672
        try:
            address = socket.getaddrinfo(host.hostname, port, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
        except OSError as exc:
            raise InvalidInput(f"transport_url: the broker {host.hostname!r} has no address: {exc}") from exc
        found.append(machine.Broker(host.hostname, str(address), port))
    return tuple(found)
