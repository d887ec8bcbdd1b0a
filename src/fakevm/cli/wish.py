"""What a port is to be, and how it is to be wired: the arguments that say so, and what they mean."""

from __future__ import annotations

import argparse
from typing import get_args

from fakevm.cli import argument
from fakevm.control.wiring import Sign, Wish
from fakevm.model.nic import NicKind
from fakevm.model.port import Addressing

# What Nova waits for network-vif-plugged by default (vif_plugging_timeout).
DEFAULT_TIMEOUT = 300.0
GUEST = "the guest's name, or its port's id or the beginning of that"


def add_wish(parser: argparse.ArgumentParser) -> None:
    """Declare how a port is to be wired."""
    parser.add_argument(
        "--addressing", choices=get_args(Addressing), default="auto",
        help="how the guest gets its addresses; auto: by DHCP where the subnet serves it, else statically",
    )  # fmt: skip
    parser.add_argument(
        "--nic", choices=get_args(NicKind), default="",
        help="what the guest's interface is made of; plain: a port of Open vSwitch's own, which `ip` shows without "
        "@if12 (backends ovs and ovn, an MTU of at most 1500, no hybrid firewall); default: veth, or as it is",
    )  # fmt: skip
    waits = parser.add_mutually_exclusive_group()
    waits.add_argument(
        "--wait", choices=get_args(Sign), default="auto", dest="sign",
        help="what tells that Neutron has wired it: the event network-vif-plugged, as for Nova, or the status ACTIVE; "
        "auto: whichever is first (an event comes where it is received, and INSTANCE is a UUID)",
    )  # fmt: skip
    waits.add_argument("--no-wait", action="store_true", help="return when it is plugged: not wired yet, no address")
    meaning = "the longest wait until it is wired (Nova's vif_plugging_timeout), and for the addresses"
    argument.add_timeout(parser, meaning, DEFAULT_TIMEOUT)
    parser.add_argument(
        "--vif-plugging-is-fatal", action=argparse.BooleanOptionalAction, default=True,
        help="whether a port that is not wired in time is an error, as by Nova's default, or kept with a warning",
    )  # fmt: skip


def add_port(parser: argparse.ArgumentParser) -> None:
    """Declare what a port that is created is to be."""
    parser.add_argument("--name", default="", help="the port's name")
    parser.add_argument(
        "--security-group", metavar="GROUP", action="append", dest="security_groups",
        help="a security group's id; may be repeated; `none` for no group at all",
    )  # fmt: skip
    parser.add_argument(
        "--fixed-ip", metavar="subnet=SUBNET,ip-address=ADDRESS", action="append", type=fixed_ip, default=[],
        dest="fixed_ips", help="an address to ask for, or a subnet (id) to have one of; may be repeated",
    )  # fmt: skip


def wish_of(host: str, parsed_args: argparse.Namespace) -> Wish:
    """Say how a port is to be wired on a host, as the user wants it."""
    return Wish(
        host,
        addressing=parsed_args.addressing,
        wait=not parsed_args.no_wait,
        timeout=parsed_args.timeout,
        sign=parsed_args.sign,
        plugging_is_fatal=parsed_args.vif_plugging_is_fatal,
        nic=parsed_args.nic,
    )


def fixed_ip(words: str) -> dict[str, str]:
    """Read ``subnet=SUBNET,ip-address=ADDRESS`` (either may be left out) as Neutron's API takes it."""
    names = {"subnet": "subnet_id", "ip-address": "ip_address"}
    asked = {}
    for part in words.split(","):
        name, equals, value = part.partition("=")
        if name not in names or not equals or not value:
            raise argparse.ArgumentTypeError(f"{words!r} is not subnet=SUBNET,ip-address=ADDRESS")
        asked[names[name]] = value
    return asked


def security_groups(words: list[str] | None) -> tuple[str, ...] | None:
    """Read the groups: None leaves the choice to Neutron, ``none`` is an empty list."""
    if words is None:
        return None
    return () if words == ["none"] else tuple(words)
