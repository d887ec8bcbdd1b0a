"""Options of the driver and of the controller: the section ``[openflow]`` of ``ml2.ini``."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

GROUP = "openflow"
OPTIONS = (
    cfg.StrOpt("ports_folder", default="/run/fakevm/openflow", help="Where the driver tells the controller of ports."),
    cfg.StrOpt("datapath_type", default="system", help="Open vSwitch's datapath_type on the hosts."),
    cfg.StrOpt("listen_address", default="127.0.0.1", help="Where the controller waits for switches."),
    cfg.PortOpt("listen_port", default=6653, help="The TCP port of it."),
    cfg.StrOpt(
        "application",
        default="fakevm_openflow.forwarding",
        help="The os-ken application that programs the switches: a module, or a Python file.",
    ),
    cfg.IntOpt("report_interval", default=10, help="Seconds between two state reports of a switch."),
)


def register(conf: Any) -> None:
    """Let a configuration know the options; safe to repeat."""
    conf.register_opts(OPTIONS, group=GROUP)
