"""The agent's options: group ``[fakevm]``, with the original tool's names and meanings."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from fakevm import errors, names

from . import emulation

GROUP = "fakevm"

_DEFAULT_OPTIONS = [cfg.StrOpt("host", help="Neutron's own option: the name of this host.")]

_OPTIONS = [
    cfg.StrOpt("host", help="The name of the host this agent is for. Default: [DEFAULT] host, else the hostname."),
    cfg.StrOpt(
        "fakevm_agent_plugin",
        default=names.DEFAULT_BACKEND,
        help="Entry point (group fakevm.agent_plugins) of the VIF driver for Neutron's plugin.",
    ),
    cfg.StrOpt(
        "nova_conf",
        default="/etc/nova/nova.conf",
        help="Path to nova.conf; os-vif's own options in it ([os_vif_ovs]) are the defaults here.",
    ),
    cfg.BoolOpt("enable_multi_node_emulate", default=False, help="Enable the multi node emulation."),
    cfg.StrOpt(
        "vir_bridge",
        default="br-fakevm",
        help="Bridge that joins emulated hosts in the VLAN mode of the multi node emulation.",
    ),
    cfg.BoolOpt("use_tunnel", default=False, help="Set when Neutron's Open vSwitch agents use tunnels."),
    cfg.StrOpt("tunnel_interface", default="", help="Interface for tunnels when use_tunnel is set."),
    cfg.StrOpt(
        "socket",
        default="",
        help="A Unix socket to take calls at, instead of at the broker (transport_url): then there is no Neutron to "
        "report to.",
    ),
    cfg.StrOpt("state_path", default="/var/lib/fakevm/agent", help="Where the agent remembers its guests."),
    cfg.FloatOpt(
        "report_interval",
        min=0.1,
        help="Seconds between state reports to Neutron. Default: [AGENT] report_interval, which Neutron's agents have.",
    ),
]

# As in neutron.conf.agent.common: an agent that reports less often than the others looks dead between its reports.
_NEUTRON_OPTIONS = [cfg.FloatOpt("report_interval", default=30, help="Neutron's own option: its agents' interval.")]


def load(argv: Sequence[str]) -> Any:
    """Read the command line and configuration files into oslo.config's global object, which os-vif uses too.

    :raises InvalidInput: a file or an option is wrong
    """
    from oslo_log import log

    conf = cfg.CONF
    conf.register_opts(_DEFAULT_OPTIONS)
    conf.register_opts(_OPTIONS, group=GROUP)
    conf.register_opts(_NEUTRON_OPTIONS, group="AGENT")
    log.register_options(conf)
    try:
        conf(argv, project="fakevm", prog="neutron-fakevm-agent", default_config_files=[])
        conf.fakevm.report_interval  # noqa: B018  # values are checked when they are read
    except (cfg.Error, ValueError) as exc:
        raise errors.InvalidInput(f"the agent's configuration is wrong: {exc}") from exc
    if conf.fakevm.report_interval is None:
        conf.set_default("report_interval", conf.AGENT.report_interval, group=GROUP)
    if not conf.fakevm.host:
        conf.set_default("host", conf.host or socket.gethostname(), group=GROUP)
    if place := emulation.inside():
        conf.set_override("state_path", str(place / "agent"), group=GROUP)
    return conf


def list_opts() -> list[tuple[str, list[Any]]]:
    """List the options for oslo.config's sample generator."""
    return [(GROUP, _OPTIONS)]
