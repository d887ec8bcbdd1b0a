"""The flows that the backend openflow gives a switch, walked by frames; that switches do so is for tests/lab."""

from __future__ import annotations

from typing import Any

from fakevm_openflow import flows, world
from fakevm_openflow.flows import CLASSIFY, Flow
from fakevm_openflow.world import Port, Segment, Switch, World

from fakevm import names

TUNNEL = 91
EVERYBODY = "ff:ff:ff:ff:ff:ff"
RED = Segment("aaaaaaaa-0000-4000-8000-000000000001", "vxlan", "", 7)
BLUE = Segment("bbbbbbbb-0000-4000-8000-000000000001", "vxlan", "", 8)
TAGGED = Segment("cccccccc-0000-4000-8000-000000000001", "vlan", "fakevm", 200)
FLAT = Segment("dddddddd-0000-4000-8000-000000000001", "flat", "fakevm")


def port(number: int, segment: Segment | None, host: str) -> Port:
    identity = f"{number:08x}-0000-4000-8000-000000000000"
    return Port(identity, f"fa:16:3e:00:00:{number:02x}", host, segment, "DOWN", 1)


def world_of(*ports: Port, also: dict[str, list[Port]] | None = None) -> World:
    """Plug every port on its host (``also``: on more); a port's OpenFlow number is the one in its id."""
    switches = {}
    for index, host in enumerate(("one", "two", "three"), start=1):
        here = [p for p in ports if p.host == host] + (also or {}).get(host, [])
        devices = {"vxlan": TUNNEL, "qfofakevm": 92} | {names.tap(p.id): int(p.id[:8], 16) for p in here}
        switches[host] = Switch(host, f"198.19.0.{index}", devices)
    return World({p.id: p for p in ports}, switches)


def sent(known: World, host: str, in_port: int, mac: str, **fields: int) -> list[tuple[Any, ...]]:
    """Walk a frame through a switch: what leaves it as (port number, fields that were set)."""
    table: int | None = CLASSIFY
    frame: dict[str, Any] = {"vlan_vid": 0, "in_port": in_port, "eth_dst": mac, **fields}
    left: list[tuple[Any, ...]] = []
    while table is not None:
        flow = best(flows.flows(known, host), table, frame)
        for action in flow.actions:
            if action[0] == "output" and action[1] != in_port:
                told = ("tunnel_id", "tun_ipv4_dst") if action[1] == TUNNEL else ("vlan_vid",)
                left.append((action[1], {field: frame[field] for field in told if frame[field]}))
            elif action[0] == "set":
                frame[action[1]] = action[2]
            elif action[0] == "pop_vlan":
                frame["vlan_vid"] = 0
        frame["metadata"] = flow.metadata if flow.metadata is not None else frame.get("metadata")
        table = flow.goto
    return left


def best(found: list[Flow], table: int, frame: dict[str, Any]) -> Flow:
    fitting = [flow for flow in found if flow.table == table and all(fits(frame.get(f), v) for f, v in flow.match)]
    return max(fitting, key=lambda flow: flow.priority)


def fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple):
        return bool(int(str(value)[:2], 16) & 1)
    return bool(value == wanted)


ONE, TWO, THREE = port(1, RED, "one"), port(2, RED, "two"), port(3, RED, "one")
OTHER = port(4, BLUE, "one")


def test_a_neighbour_on_the_same_host_is_reached_directly() -> None:
    assert sent(world_of(ONE, THREE), "one", 1, THREE.mac) == [(3, {})]


def test_a_port_on_another_host_is_reached_through_the_tunnel_to_that_host_alone() -> None:
    known = world_of(ONE, TWO, port(5, RED, "three"))
    assert sent(known, "one", 1, TWO.mac) == [(91, {"tunnel_id": 7, "tun_ipv4_dst": "198.19.0.2"})]
    assert sent(known, "two", 91, TWO.mac, tunnel_id=7) == [(2, {})]


def test_a_broadcast_reaches_the_networks_ports_and_no_others() -> None:
    known = world_of(ONE, TWO, THREE, OTHER)
    assert sent(known, "one", 1, EVERYBODY) == [(3, {}), (91, {"tunnel_id": 7, "tun_ipv4_dst": "198.19.0.2"})]
    assert sent(known, "two", 91, EVERYBODY, tunnel_id=7) == [(2, {})]
    assert sent(known, "one", 4, EVERYBODY) == []


def test_networks_do_not_meet_even_with_the_mac_known() -> None:
    known = world_of(ONE, TWO, OTHER)
    assert sent(known, "one", 4, ONE.mac) == []
    assert sent(known, "one", 4, TWO.mac) == []
    assert sent(known, "one", 91, ONE.mac, tunnel_id=8) == []


def test_what_is_unknown_is_dropped() -> None:
    known = world_of(ONE, TWO)
    assert sent(known, "one", 1, "fa:16:3e:00:00:77") == []
    assert sent(known, "one", 55, TWO.mac) == []
    assert sent(known, "one", 91, ONE.mac, tunnel_id=99) == []
    assert sent(world_of(port(1, None, "one"), TWO), "one", 1, TWO.mac) == []


def test_a_guests_own_tag_leads_nowhere() -> None:
    inside, outside = port(1, FLAT, "one"), port(2, TAGGED, "two")
    assert sent(world_of(inside, outside), "one", 1, outside.mac, vlan_vid=0x1000 | 200) == []


def test_a_vlan_is_tagged_between_hosts_only() -> None:
    here, there, beside = port(1, TAGGED, "one"), port(2, TAGGED, "two"), port(3, TAGGED, "one")
    known = world_of(here, there, beside)
    assert sent(known, "one", 1, there.mac) == [(92, {"vlan_vid": 0x1000 | 200})]
    assert sent(known, "one", 1, beside.mac) == [(3, {})]
    assert sent(known, "one", 1, EVERYBODY) == [(3, {}), (92, {"vlan_vid": 0x1000 | 200})]
    assert sent(known, "two", 92, there.mac, vlan_vid=0x1000 | 200) == [(2, {})]
    assert sent(known, "two", 92, there.mac) == []


def test_a_physical_network_has_inhabitants_that_neutron_does_not_know() -> None:
    known = world_of(port(1, FLAT, "one"))
    assert sent(known, "one", 1, "52:54:00:00:00:01") == [(92, {})]
    assert sent(known, "one", 92, "52:54:00:00:00:01") == []


def test_a_port_that_moves_is_reached_on_both_hosts() -> None:
    known = world_of(ONE, TWO, also={"three": [TWO]})
    there = [(91, {"tunnel_id": 7, "tun_ipv4_dst": f"198.19.0.{n}"}) for n in (3, 2)]
    assert sent(known, "one", 1, TWO.mac) == there
    assert sent(known, "three", 2, ONE.mac) == [(91, {"tunnel_id": 7, "tun_ipv4_dst": "198.19.0.1"})]


def test_a_switch_without_an_uplink_has_no_flows_of_it() -> None:
    known = world_of(port(1, TAGGED, "one"))
    bare = World(known.ports, {"one": Switch("one", "", {names.tap(port(1, TAGGED, "one").id): 1})})
    assert sent(bare, "one", 1, EVERYBODY) == []


def test_flows_of_a_switch_differ_in_what_it_tells_them_apart_by() -> None:
    found = flows.flows(world_of(ONE, TWO, THREE, OTHER, port(5, TAGGED, "one"), port(6, FLAT, "one")), "one")
    assert len({flow.key for flow in found}) == len(found)


def test_names_are_those_of_fakevm() -> None:
    for net in ("physnet1", "a-name-that-is-cut"):
        assert world.uplink(net) == names.physical_port(net)


def test_the_world_tells_whose_switch_is_not_here_yet() -> None:
    known = world_of(port(1, RED, "one"), port(2, RED, "two"), port(3, None, ""))
    assert known.absent == set()
    assert World(known.ports, {"one": known.switches["one"]}).absent == {"two"}
