"""What a guest takes along when it moves: read from its namespace, and the ``ip`` commands that give it back.

Only what hangs on the guest's own device, in the main routing table: another device cannot move with the port.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fakevm.linux import process
from fakevm.model.guest import InterfaceState, Neighbour

# linux/rtnetlink.h: INFINITY_LIFE_TIME
_FOREVER = 0xFFFFFFFF
# What ``ip route`` shows of a route and does not take back: how it fares, and the number of its nexthop object.
_NOT_WORDS = re.compile(r"\b(?:linkdown|dead|offload|trap|rt_offload|rt_trap|error -?\d+|nhid \d+)(?= |$)")


def read(namespace: str, device: str) -> InterfaceState:
    """Read addresses, routes, neighbours and the MTU; leases are for others to add.

    Raises CommandFailed: there is no such namespace or device.
    """
    ask = f"address show dev {device}\nneighbour show dev {device}\n"
    said = process.run(["ip", "-n", namespace, "-json", "-batch", "-"], stdin=ask)
    (link,), neighbours = (json.loads(line) for line in said.splitlines())
    routes = []
    for family, default in (("-4", "0.0.0.0/0"), ("-6", "::/0")):
        shown = process.run(["ip", "-n", namespace, family, "-oneline", "route", "show", "table", "main"])
        routes += [re.sub("^default", default, line) for line in shown.splitlines()]
    addresses = tuple(address_words(info, device) for info in link["addr_info"] if not info.get("dadfailed"))
    return InterfaceState(
        addresses=addresses,
        routes=tuple(route_words(routes, addresses, device)),
        neighbours=tuple(_neighbours(neighbours)),
        mtu=link["mtu"],
    )


def address_words(info: Mapping[str, Any], device: str) -> str:
    """Write an address, as ``ip -json`` shows it, in the words that ``ip address add`` takes."""
    local, length = info["local"], info["prefixlen"]
    words = [f"{local} peer {info['address']}/{length}" if "address" in info else f"{local}/{length}"]
    if "broadcast" in info:
        words.append(f"broadcast {info['broadcast']}")
    if info["family"] == "inet" and info["scope"] != "global":
        words.append(f"scope {info['scope']}")
    if info.get("label", device) != device:
        words.append(f"label {info['label']}")
    words += [flag for flag in ("noprefixroute", "mngtmpaddr") if info.get(flag)]
    if "metric" in info:
        words.append(f"metric {info['metric']}")
    if info["valid_life_time"] != _FOREVER:
        words.append(f"valid_lft {info['valid_life_time']} preferred_lft {info['preferred_life_time']}")
    return " ".join(words)


def route_words(shown: Iterable[str], addresses: Iterable[str], device: str) -> list[str]:
    """Write the routes that ``ip -oneline route`` shows in the words that ``ip route add`` takes, in an order it takes.

    Not those that the kernel makes by itself of the addresses, nor those through another device.
    """
    routes, implied = [], _implied(addresses)
    for line in shown:
        words = " ".join(_NOT_WORDS.sub("", re.sub(r"\\", " ", line)).split())
        words = re.sub(r"\bexpires (\d+)sec\b", r"expires \1", words)
        if " proto kernel" in words and (":" not in words or words.split()[0] in implied):
            continue
        if set(re.findall(r"\bdev (\S+)", words)) <= {device, "lo"}:
            routes.append(words)
    # a gateway must be reachable before it is used, perhaps by another route; the default comes last
    return sorted(routes, key=lambda words: ("via" in words, words.startswith(("0.0.0.0/0", "::/0"))))


def _implied(addresses: Iterable[str]) -> set[str]:
    """List the IPv6 prefixes of addresses; another that the kernel has a route to was advertised by a router."""
    own = (words.split()[0] for words in addresses if ":" in words and "noprefixroute" not in words)
    return {str(ipaddress.ip_interface(address).network) for address in own if "/" in address} | {"fe80::/64"}


def _neighbours(shown: Iterable[Mapping[str, Any]]) -> Iterator[Neighbour]:
    for entry in shown:
        if "lladdr" in entry and not {"FAILED", "INCOMPLETE"} & set(entry["state"]):
            yield Neighbour(address=entry["dst"], mac_address=entry["lladdr"], permanent="PERMANENT" in entry["state"])


def commands(state: InterfaceState, device: str, *, moved: bool) -> Iterator[str]:
    """Write the ``ip`` commands that give a guest its state, whatever it has of it already.

    IPv6 addresses are not checked for duplicates: they were in use a moment ago.

    :param moved: the state is another guest's; else this one's own, from before it was paused
    """
    if state.mtu:
        yield f"link set dev {device} mtu {state.mtu}"
    for address in state.addresses:
        yield f"address replace {address} dev {device}{' nodad' if ':' in address else ''}"
    for route in state.routes:
        if found := re.search(r"\bproto ra metric (\d+)", route):
            # The kernel's own. One of ours in its place would keep the kernel from adding it again, and that would keep
            # it from all else that the router advertises (ndisc_router_discovery); ours stands behind it, and expires.
            if moved:
                yield f"route append {route.replace(found[0], f'proto static metric {int(found[1]) + 1}')}"
        else:
            yield f"route append {route}"
    for entry in state.neighbours:
        known = "permanent" if entry.permanent else "stale"
        yield f"neighbour replace {entry.address} lladdr {entry.mac_address} dev {device} nud {known}"


# What of a command counts down while time goes by.
_LIFETIMES = re.compile(r" (?:valid_lft|preferred_lft|expires) \d+")
_UNDOING = (("address replace ", "address del "), ("route append ", "route del "))


def changes(given: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Write the commands for a guest that was given some already: what it has too much of goes, then comes the rest.

    Of both what ``commands`` wrote. Lifetimes that only went by are no change. Neighbours that are wanted no longer
    stay: the guest's kernel forgets them by itself.
    """
    wants = {_LIFETIMES.sub("", command) for command in wanted}
    had = [_LIFETIMES.sub("", command) for command in given]
    undone = [
        command.replace(done, undo, 1)
        for command in reversed(had)
        for done, undo in _UNDOING
        if command.startswith(done) and command not in wants
    ]
    # with an address the kernel takes the routes that need it
    rerouted = any(command.startswith("address ") for command in undone)
    return undone + [
        command
        for command in wanted
        if _LIFETIMES.sub("", command) not in had or (rerouted and command.startswith("route "))
    ]
