"""What a guest takes along, in the words of ``ip``."""

from __future__ import annotations

from typing import Any

import pytest

from fakevm.guest.state import address_words, changes, commands, route_words
from fakevm.guest.waker import announcements
from fakevm.model.guest import InterfaceState, Neighbour

FOUR = {"family": "inet", "local": "10.0.0.3", "prefixlen": 24, "scope": "global", "valid_life_time": 4294967295}
SIX = {"family": "inet6", "local": "fd00::3", "prefixlen": 64, "scope": "global", "valid_life_time": 4294967295}


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (FOUR, "10.0.0.3/24"),
        ({**FOUR, "broadcast": "10.0.0.255", "label": "eth0"}, "10.0.0.3/24 broadcast 10.0.0.255"),
        ({**FOUR, "scope": "link", "label": "eth0:1"}, "10.0.0.3/24 scope link label eth0:1"),
        ({**FOUR, "address": "10.0.0.9", "prefixlen": 32}, "10.0.0.3 peer 10.0.0.9/32"),
        (
            {**FOUR, "dynamic": True, "valid_life_time": 500, "preferred_life_time": 400},
            "10.0.0.3/24 valid_lft 500 preferred_lft 400",
        ),
        ({**SIX, "scope": "link", "mngtmpaddr": True, "noprefixroute": True}, "fd00::3/64 noprefixroute mngtmpaddr"),
    ],
)
def test_addresses(info: dict[str, Any], words: str) -> None:
    assert address_words(info, "eth0") == words


def test_routes_in_an_order_in_which_they_can_be_added() -> None:
    shown = [
        "0.0.0.0/0 via 169.254.7.7 dev eth0 onlink ",
        "10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.3 ",
        "10.1.0.0/24 via 10.0.0.1 dev eth0 linkdown ",
        "10.2.0.0/24 dev eth1 scope link ",
        "10.3.0.0/24 proto static \\\tnexthop via 10.0.0.8 dev eth0 weight 1"
        " \\\tnexthop via 10.0.0.9 dev eth0 weight 2 ",
        "unreachable 10.99.0.0/16 ",
        "169.254.7.7 dev eth0 scope link ",
    ]
    assert route_words(shown, ["10.0.0.3/24"], "eth0") == [
        "unreachable 10.99.0.0/16",
        "169.254.7.7 dev eth0 scope link",
        "10.1.0.0/24 via 10.0.0.1 dev eth0",
        "10.3.0.0/24 proto static nexthop via 10.0.0.8 dev eth0 weight 1 nexthop via 10.0.0.9 dev eth0 weight 2",
        "0.0.0.0/0 via 169.254.7.7 dev eth0 onlink",
    ]


def test_routes_that_a_router_advertised() -> None:
    shown = [
        "fd00::/64 dev eth0 proto kernel metric 256 expires 3599sec pref medium",
        "fd01::/64 dev eth0 proto kernel metric 256 expires 3599sec pref medium",
        "fe80::/64 dev eth0 proto kernel metric 256 pref medium",
        "::/0 via fe80::1 dev eth0 proto ra metric 1024 expires 299sec hoplimit 64 pref medium",
    ]
    routes = route_words(shown, ["fd00::3/64", "fd01::3/128"], "eth0")
    assert routes == [
        "fd01::/64 dev eth0 proto kernel metric 256 expires 3599 pref medium",
        "::/0 via fe80::1 dev eth0 proto ra metric 1024 expires 299 hoplimit 64 pref medium",
    ]
    state = InterfaceState(routes=tuple(routes))
    assert list(commands(state, "eth0", moved=False)) == [f"route append {routes[0]}"]
    assert list(commands(state, "eth0", moved=True)) == [
        f"route append {routes[0]}",
        "route append ::/0 via fe80::1 dev eth0 proto static metric 1025 expires 299 hoplimit 64 pref medium",
    ]


def test_commands() -> None:
    near = Neighbour(address="10.0.0.4", mac_address="fa:16:3e:00:00:04")
    far = Neighbour(address="fd00::4", mac_address="fa:16:3e:00:00:04", permanent=True)
    state = InterfaceState(addresses=("10.0.0.3/24", "fd00::3/64 mngtmpaddr"), neighbours=(near, far), mtu=1400)
    assert list(commands(state, "eth0", moved=True)) == [
        "link set dev eth0 mtu 1400",
        "address replace 10.0.0.3/24 dev eth0",
        "address replace fd00::3/64 mngtmpaddr dev eth0 nodad",
        "neighbour replace 10.0.0.4 lladdr fa:16:3e:00:00:04 dev eth0 nud stale",
        "neighbour replace fd00::4 lladdr fa:16:3e:00:00:04 dev eth0 nud permanent",
    ]


def test_changes_of_a_guest_that_was_given_its_state_before() -> None:
    given = [
        "link set dev eth0 mtu 1450",
        "address replace 10.0.0.3/24 dev eth0",
        "address replace 10.7.0.1/24 valid_lft 500 preferred_lft 400 dev eth0",
        "route append 10.9.0.0/16 via 10.0.0.9 dev eth0",
        "route append fd09::/64 via fe80::9 dev eth0 expires 600",
        "neighbour replace 10.0.0.4 lladdr fa:16:3e:00:00:04 dev eth0 nud stale",
    ]
    later = [command.replace("500", "499").replace("400", "399").replace("600", "599") for command in given]
    assert changes(given, later) == []
    assert changes([], given) == given
    assert changes(given, [*later, "route append 10.1.0.0/16 via 10.0.0.1 dev eth0"]) == [
        "route append 10.1.0.0/16 via 10.0.0.1 dev eth0"
    ]
    # a route went, and a neighbour, of which the kernel takes care
    assert changes(given, [*later[:4]]) == ["route del fd09::/64 via fe80::9 dev eth0"]
    # an address went, and took routes along
    assert changes(given, [later[0], later[1], *later[3:]]) == ["address del 10.7.0.1/24 dev eth0", later[3], later[4]]


def test_announcements() -> None:
    mac = bytes.fromhex("fa163e000003")
    rarp, arp, advertisement = announcements(mac, ["10.0.0.3", "fd00::3"])
    assert arp.hex(" ", 1).startswith(
        "ff ff ff ff ff ff fa 16 3e 00 00 03 08 06 00 01 08 00 06 04 00 01"
        " fa 16 3e 00 00 03 0a 00 00 03 00 00 00 00 00 00 0a 00 00 03"
    )
    assert rarp.hex(" ", 1).startswith(
        "ff ff ff ff ff ff fa 16 3e 00 00 03 80 35 00 01 08 00 06 04 00 03"
        " fa 16 3e 00 00 03 00 00 00 00 fa 16 3e 00 00 03 00 00 00 00"
    )
    assert len(arp) == len(rarp) == 60
    source, target, message = advertisement[22:38], advertisement[38:54], advertisement[54:]
    assert advertisement[:6] == bytes.fromhex("333300000001")
    assert message[8:24] == source
    checked = source + target + len(message).to_bytes(4, "big") + b"\0\0\0\x3a" + message
    total = sum(int.from_bytes(checked[index : index + 2], "big") for index in range(0, len(checked), 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
