"""Plug, address and unplug through the real os-vif, Open vSwitch, dhclient and dnsmasq."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import pytest
from oslo_config import cfg

from fakevm import errors, names
from fakevm.agent import config
from fakevm.agent.kinds import Kinds
from fakevm.agent.manager import Manager
from fakevm.agent.recovery import recover
from fakevm.agent.store import Store
from fakevm.linux import kernel
from fakevm.model.guest import Guest
from fakevm.model.interface import Interface, LinkEnd
from fakevm.model.port import FixedIp, Port, Route, Vif, Vlan
from fakevm.vif.ovs import OvsVifDriver

from .conftest import until


@pytest.fixture
def manager(switch: str) -> Manager:
    """The manager of host h1 as the agent makes it."""
    return make_manager()


@pytest.fixture
def new_manager() -> Callable[[], Manager]:
    """Make the manager that the agent has after a restart."""
    return make_manager


def make_manager() -> Manager:
    cfg.CONF.reset()
    conf = config.load(["--config-file", "/dev/null"])
    return Manager("h1", "ovs", OvsVifDriver(conf), Kinds("h1", Path("/run/state")), Store(Path("/run/state")))


@pytest.mark.parametrize("hybrid", [False, True])
def test_plug_address_ping_unplug(
    manager: Manager, dhcp_server: str, make_port: Callable[..., Port], sh: Callable[..., str], hybrid: bool
) -> None:
    ports = [make_port(number, hybrid=hybrid) for number in (3, 4)]
    for port in ports:
        began = time.monotonic()
        vif = manager.plug(port)
        plugged = time.monotonic()
        assert (vif.state, vif.addresses) == ("plugged", ())
        vif = manager.address(port.id, "auto", 60)
        print(f"plug {plugged - began:.3f} s, address {time.monotonic() - plugged:.3f} s")
        assert vif.addresses == (f"{port.fixed_ips[0].address}/24",)
        assert not vif.problem
    sh(" ".join(manager.command(ports[0].instance_id, ["ping", "-c1", "-w20", "10.0.0.4"])))
    sh(" ".join(manager.command(ports[0].instance_id, ["ping", "-c1", "-w20", dhcp_server])))
    assert [vif.port_id for vif in manager.list_vifs()] == [port.id for port in ports]
    assert [manager.unplug(port.id) for port in ports] == [True, True]
    assert manager.unplug(ports[0].id) is False
    assert manager.list_vifs() == []


def test_a_guest_with_several_ports(
    manager: Manager,
    new_manager: Callable[[], Manager],
    dhcp_server: str,
    make_port: Callable[..., Port],
    sh: Callable[..., str],
) -> None:
    first, alone = make_port(3), make_port(5)
    further = make_port(4, instance_id=first.instance_id, device="eth1")
    vifs = [manager.plug(port) for port in (first, further, alone)]
    assert vifs[0].namespace == vifs[1].namespace != vifs[2].namespace
    assert (vifs[0].device, vifs[1].device) == (names.device(first.id), "eth1")
    addressed = [manager.address(port.id, "auto", 60).addresses for port in (first, further)]
    assert addressed == [("10.0.0.3/24",), ("10.0.0.4/24",)]

    def inside(command: str) -> str:
        return sh(" ".join(manager.command(first.instance_id, command.split())))

    assert "metric 2048" in inside("ip route")
    before = inside("ip -o link")
    # Plugged again, also by one who knows nothing of its device's name, it stays as it is.
    assert manager.plug(first).namespace == manager.plug(make_port(4, instance_id="i-3")).namespace
    assert inside("ip -o link") == before
    for wrong, why in (
        (make_port(6, device="eth1"), "eth1 already"),
        (make_port(6, mac_address=first.mac_address), "MAC"),
    ):
        with pytest.raises(errors.Conflict, match=why):
            manager.plug(wrong.model_copy(update={"instance_id": "i-3"}))
    with pytest.raises(errors.Conflict, match="eth1 already"):
        manager.plug(first.model_copy(update={"device": "eth1"}), asleep=True)
    assert inside("ip -o link") == before
    # An interface whose wiring is lost is put right; the guest and its other interface go on.
    sh("ovs-vsctl del-port tap00000004-90; ip link del tap00000004-90")
    recover(new_manager())
    until(lambda: [vif.problem for vif in manager.list_vifs()] == ["", "", ""])
    assert inside(f"cat /sys/class/net/{names.device(first.id)}/ifindex") in before.replace(":", "\n")
    assert manager.unplug(further.id)
    assert manager.show(first.id).addresses == ("10.0.0.3/24",)
    inside(f"ping -c1 -w20 {dhcp_server}")
    manager.plug(further)
    seen = manager.show_guest(first.instance_id)
    assert [(each.name, each.kind, each.problem) for each in seen.interfaces] == [
        (names.device(first.id), "port", ""),
        ("eth1", "port", ""),
    ]
    sh(f"ip netns pids {vifs[0].namespace} | xargs kill -9; ip netns del {vifs[0].namespace}")
    recover(new_manager())
    assert [vif.problem for vif in manager.list_vifs()] == ["", "", ""]
    assert all(manager.unplug(port.id) for port in (first, further, alone))
    assert manager.list_guests() == []


def test_a_guest_is_stopped_and_started(
    manager: Manager, new_manager: Callable[[], Manager], make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    ports = [make_port(number, instance_id="vm") for number in (3, 4)]
    for port in ports:
        manager.plug(port)
    running = subprocess.Popen(manager.command("vm", ["sleep", "1000"]))
    assert manager.stop("vm").state == manager.stop("vm").state == "stopped"
    running.wait(30)
    assert sh("ip netns list | grep -v '^dhcp' || true") == ""
    assert [vif.state for vif in manager.list_vifs()] == ["stopped", "stopped"]
    with pytest.raises(errors.NotFound, match="is stopped"):
        manager.command("vm", ["true"])
    again = new_manager()
    recover(again)
    assert again.show_guest("vm").state == "stopped"
    guest = Guest(id="vm")
    started = again.start(guest)
    assert (started.state, [each.problem for each in started.interfaces]) == ("running", ["", ""])
    index = " ".join(again.command("vm", ["cat", f"/sys/class/net/{names.device(ports[0].id)}/ifindex"]))
    before = sh(index)
    assert again.start(guest).state == "running"
    assert sh(index) == before
    assert again.remove("vm")
    assert not again.remove("vm")
    assert again.list_guests() == []


@pytest.fixture
def panel(sh: Callable[..., str]) -> Iterator[None]:
    """Make the namespace in which links end, as a lab has it."""
    sh("ip netns add lab")
    yield
    sh("ip netns del lab")


def test_links_join_guests_and_outlive_each_of_them(manager: Manager, panel: None, sh: Callable[..., str]) -> None:
    def interface(number: int, end: Literal["a", "b"]) -> Interface:
        return Interface(
            name="eth1",
            mac_address=f"02:00:00:00:00:0{number}",
            mtu=1500,
            addresses=(f"10.9.0.{number}/24",),
            attachment=LinkEnd(link="core", end=end),
        )

    def inside(guest: str, command: str) -> str:
        return sh(" ".join(manager.command(guest, command.split())))

    manager.start(Guest(id="r1"))
    assert manager.show_guest("r1").interfaces == ()
    manager.attach("r1", interface(1, "a"))
    assert "LOWER_UP" in inside("r1", "ip -o link show eth1")
    manager.start(Guest(id="r2"))
    manager.attach("r2", interface(2, "b"))
    inside("r1", "ping -c1 -w20 10.9.0.2")
    with pytest.raises(errors.Conflict, match="eth1 already"):
        manager.attach("r1", interface(3, "b"))
    before = inside("r1", "ip -o link show eth1")
    assert manager.attach("r1", interface(1, "a")).interfaces[0].addresses == ("10.9.0.1/24",)
    manager.stop("r2")
    assert inside("r1", "ip -o link show eth1") == before
    manager.start(Guest(id="r2"))
    assert inside("r1", "ip -o link show eth1") == before
    inside("r1", "ping -c1 -w20 10.9.0.2")
    inside("r2", "ping -c1 -w20 10.9.0.1")
    # Made anew after its namespace was taken away.
    sh(f"ip netns del {manager.show_guest('r2').namespace}")
    recover(manager)
    inside("r1", "ping -c1 -w20 10.9.0.2")
    assert manager.detach("r2", "eth1")
    assert not manager.detach("r2", "eth1")
    assert manager.show_guest("r2").state == "running"
    assert inside("r1", "ip -o link show eth1") == before
    for guest in ("r1", "r2"):
        manager.remove(guest)
    assert sh("ip -n lab -o link | grep -v LOOPBACK || true") == ""


def test_a_trunk_s_parent_is_taken_when_its_patch_is(
    manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    port = make_port()
    details = {**port.binding.vif_details, "bridge_name": "tbr-12345678-9"}
    trunk = port.model_copy(update={"binding": port.binding.model_copy(update={"vif_details": details})})
    sh("ovs-vsctl add-br tbr-12345678-9 -- set bridge tbr-12345678-9 datapath_type=netdev")
    manager.plug(trunk)
    assert manager.show(port.id).taken is False
    sh(
        "ovs-vsctl add-port br-int tpi-00000003-90 tag=4095 -- set interface tpi-00000003-90 type=patch"
        " options:peer=tpt-00000003-90 -- add-port tbr-12345678-9 tpt-00000003-90"
        " -- set interface tpt-00000003-90 type=patch options:peer=tpi-00000003-90"
    )
    assert manager.show(port.id).taken is False
    sh("ovs-vsctl set port tpi-00000003-90 tag=5")
    until(lambda: manager.show(port.id).taken)
    manager.unplug(port.id)
    sh("ovs-vsctl --timeout=30 --if-exists del-br tbr-12345678-9 -- --if-exists del-port tpi-00000003-90")


def test_an_agent_that_starts_before_its_switch_leaves_guests_alone(
    manager: Manager, new_manager: Callable[[], Manager], make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    port = make_port()
    vif = manager.plug(port)
    running = subprocess.Popen(manager.command(port.instance_id, ["sleep", "1000"]))
    place = Path("/run/openvswitch/db.sock")
    away = place.rename(place.with_suffix(".away"))
    with ThreadPoolExecutor() as pool:
        recovery = pool.submit(recover, new_manager())
        time.sleep(1)
        assert not recovery.done()
        away.rename(place)
        recovery.result(60)
    assert running.poll() is None
    assert (manager.show(port.id).namespace, manager.show(port.id).problem) == (vif.namespace, "")
    manager.unplug(port.id)
    running.wait(30)


def test_twenty_at_once(manager: Manager, make_port: Callable[..., Port]) -> None:
    ports = [make_port(number) for number in range(3, 23)]
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        vifs = list(pool.map(manager.plug, ports))
    took = time.monotonic() - began
    print(f"20 plugs at once: {took:.2f} s")
    assert {vif.state for vif in vifs} == {"plugged"}
    assert [vif.problem for vif in manager.list_vifs()] == [""] * 20
    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(lambda port: manager.unplug(port.id), ports))


def test_plug_twice_changes_nothing(manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]) -> None:
    port = make_port()
    manager.plug(port)
    before = sh("ip -o link")
    assert manager.plug(port).state == "plugged"
    assert sh("ip -o link") == before
    manager.unplug(port.id)


def test_an_interface_that_is_made_anew_is_called_as_before(manager: Manager, make_port: Callable[..., Port]) -> None:
    first, further = make_port(3), make_port(4, instance_id="i-3", device="eth1")
    assert [manager.plug(port).device for port in (first, further)] == [names.device(first.id), "eth1"]
    # By one who knows nothing of its name, and with another MTU, for which it must be made anew.
    assert manager.plug(make_port(4, instance_id="i-3", mtu=1300)).device == "eth1"
    assert manager.remove(first.instance_id)


def test_guest_has_mac_mtu_and_files_of_its_own(
    manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    port = make_port()
    vif = manager.plug(port)
    inside = f"ip netns exec {vif.namespace}"
    link = sh(f"{inside} ip -o link show {vif.device}")
    assert port.mac_address in link
    assert "mtu 1400" in link
    assert "LOWER_UP" in link
    assert "LOWER_UP" in sh(f"{inside} ip -o link show lo")
    assert "tx-checksumming: off" in sh(f"{inside} ethtool -k {vif.device}")
    assert "tx-checksumming: off" in sh("ethtool -k tap00000003-90")
    assert "10.0.0.3 host-10-0-0-3" in sh(f"{inside} cat /etc/hosts")
    assert sh(f"{inside} cat /etc/resolv.conf") == ""
    ids = sh("ovs-vsctl get interface tap00000003-90 external_ids")
    assert f'iface-id="{port.id}"' in ids
    assert f'attached-mac="{port.mac_address}"' in ids
    assert "vm-uuid=i-3" in ids
    manager.unplug(port.id)


def test_interface_that_is_in_another_bridge(
    manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    sh("ovs-vsctl add-br br-other -- set bridge br-other datapath_type=netdev -- add-port br-other tap00000003-90")
    with pytest.raises(errors.PlugFailed, match="is in bridge br-other, not in br-int"):
        manager.plug(make_port())
    sh("ovs-vsctl --if-exists del-br br-other")
    assert manager.list_vifs() == []


def test_switch_without_the_datapath(manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]) -> None:
    port = make_port()
    details = {**port.binding.vif_details, "datapath_type": "nonsense"}
    port = port.model_copy(update={"binding": port.binding.model_copy(update={"vif_details": details})})
    with pytest.raises(errors.PlugFailed, match="tap00000003-90"):
        manager.plug(port)
    assert manager.list_vifs() == []


def test_vif_type_that_nobody_knows(manager: Manager, make_port: Callable[..., Port]) -> None:
    port = make_port()
    port = port.model_copy(update={"binding": port.binding.model_copy(update={"vif_type": "binding_failed"})})
    with pytest.raises(errors.PlugFailed, match=r"binding_failed.*knows ovs"):
        manager.plug(port)


def test_switch_daemon_that_hangs(manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]) -> None:
    sh("kill -STOP $(pidof ovs-vswitchd)")
    try:
        with pytest.raises(errors.PlugFailed, match=r"ovs-vswitchd has not taken it|os-vif got TimeoutException"):
            manager.plug(make_port())
    finally:
        sh("kill -CONT $(pidof ovs-vswitchd)")
    assert manager.list_vifs() == []


def test_dhcp_gives_everything(
    manager: Manager, dhcp_server: str, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    port = make_port(mtu=1450)
    vif = manager.plug(port)
    manager.address(port.id, "dhcp", 60)
    inside = f"ip netns exec {vif.namespace}"
    assert sh(f"{inside} cat /etc/resolv.conf") == "search example.org\nnameserver 10.0.0.2\n"
    routes = sh(f"{inside} ip route")
    assert "default via 10.0.0.1" in routes
    assert "10.9.0.0/16 via 10.0.0.9" in routes
    assert "169.254.169.254 via 10.0.0.2" in routes
    assert "mtu 1400" in sh(f"{inside} ip link show {vif.device}")
    assert sh("hostname").strip() == "sandbox"
    manager.unplug(port.id)


def test_user_types_dhclient(
    manager: Manager, dhcp_server: str, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    port = make_port()
    vif = manager.plug(port)

    def run(words: str) -> str:
        return sh(" ".join(manager.command(port.instance_id, words.split())) + " 2>&1")

    assert "bound to 10.0.0.3" in run(f"dhclient -4 -v {vif.device}")
    assert manager.show(port.id).addresses == ("10.0.0.3/24",)
    run(f"dhclient -4 -r {vif.device}")
    assert manager.show(port.id).addresses == ()
    assert manager.address(port.id, "dhcp", 60).addresses == ("10.0.0.3/24",)
    manager.unplug(port.id)


@pytest.mark.parametrize("way", ["dhcp", "static"])
def test_a_guest_with_an_earlier_ones_address_is_found_at_once(
    manager: Manager, dhcp_server: str, make_port: Callable[..., Port], sh: Callable[..., str], way: str
) -> None:
    later = make_port(4)
    earlier = make_port(3, fixed_ips=later.fixed_ips)
    observer = make_port(5)
    for port, how in ((observer, "dhcp"), (earlier, "static"), (later, way)):
        manager.plug(port)
        manager.address(port.id, how, 60)
        if port is earlier:
            sh(" ".join(manager.command(observer.instance_id, ["ping", "-c1", "-w20", "10.0.0.4"])))
            manager.unplug(earlier.id)
    # no ping yet: that would find the MAC by itself
    neighbour = " ".join(manager.command(observer.instance_id, ["ip", "neigh", "show", "10.0.0.4"]))
    until(lambda: later.mac_address in sh(neighbour), 10)
    sh(" ".join(manager.command(observer.instance_id, ["ping", "-c1", "-w20", "10.0.0.4"])))
    for port in (later, observer):
        manager.unplug(port.id)


def test_nobody_answers_dhcp(manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]) -> None:
    port = make_port()
    manager.plug(port)
    with pytest.raises(errors.TimedOut, match=r"10\.0\.0\.3 \(dhcp\).*last words: DHCPDISCOVER"):
        manager.address(port.id, "dhcp", 6)
    assert sh("pidof dhclient", check=False) == ""
    manager.unplug(port.id)


def test_unplug_ends_an_address(manager: Manager, make_port: Callable[..., Port]) -> None:
    port = make_port()
    manager.plug(port)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(manager.address, port.id, "dhcp", 100)  # longer than we wait
        time.sleep(0.5)
        assert manager.unplug(port.id)
        with pytest.raises(errors.FakevmError):
            waiting.result(30)


def test_static_addresses(manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]) -> None:
    four = FixedIp(
        address="10.0.0.3", prefix_length=24, subnet_id="s4", gateway="10.0.0.1", dns_servers=("10.0.0.2",),
        routes=(Route(destination="10.9.0.0/16", nexthop="10.0.0.9"),), enable_dhcp=False,
    )  # fmt: skip
    six = FixedIp(address="fd00::3", prefix_length=64, subnet_id="s6", gateway="fd00::1", enable_dhcp=False)
    port = make_port(fixed_ips=(four, six))
    vif = manager.plug(port)
    assert set(manager.address(port.id, "auto", 5).addresses) == {"10.0.0.3/24", "fd00::3/64"}
    inside = f"ip netns exec {vif.namespace}"
    assert "10.9.0.0/16 via 10.0.0.9" in sh(f"{inside} ip route")
    assert "default via fd00::1" in sh(f"{inside} ip -6 route")
    assert sh(f"{inside} cat /etc/resolv.conf") == "nameserver 10.0.0.2\n"
    manager.unplug(port.id)


@pytest.mark.parametrize("state", ["starting", "ending"])
def test_restart_finishes_what_was_under_way(
    manager: Manager, new_manager: Callable[[], Manager], make_port: Callable[..., Port], state: str
) -> None:
    port = make_port()
    manager.plug(port)
    store = Store(Path("/run/state"))
    record = store.get(port.instance_id)
    assert record
    store.put(record.model_copy(update={"state": state}))
    again = new_manager()
    recover(again)
    assert [vif.state for vif in again.list_vifs()] == (["plugged"] if state == "starting" else [])
    again.unplug(port.id)


def test_restart_remakes_what_a_reboot_took(
    manager: Manager,
    new_manager: Callable[[], Manager],
    make_port: Callable[..., Port],
    sh: Callable[..., str],
) -> None:
    ports = [make_port(number, hybrid=number == 4) for number in (3, 4, 5)]
    for port in ports:
        manager.plug(port)
    addressed = manager.address(ports[0].id, "static", 5).addresses
    assert addressed
    sh(f"ip netns del fakevm-h1-{ports[0].id}; ovs-vsctl del-port qvo00000004-90; ip link del qvo00000004-90")
    again = new_manager()
    recover(again)
    assert [(vif.state, vif.problem) for vif in again.list_vifs()] == [("plugged", "")] * 3
    deadline = time.monotonic() + 30
    while again.show(ports[0].id).addresses != addressed:
        assert time.monotonic() < deadline, again.show(ports[0].id)
        time.sleep(0.05)
    for port in ports:
        again.unplug(port.id)


def test_what_cannot_be_made_anew_at_once_is_tried_again(
    manager: Manager, new_manager: Callable[[], Manager], make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    port, gone = make_port(3), make_port(4)
    manager.plug(port)
    addressed = manager.address(port.id, "static", 5).addresses
    manager.plug(gone)
    sh(f"ip netns del {names.guest_namespace('h1', port.id)}; ip netns del {names.guest_namespace('h1', gone.id)}")
    again = new_manager()
    sh("kill -STOP $(pidof ovs-vswitchd)")
    try:
        recover(again)
        for vif in again.list_vifs():
            assert vif.state == "plugging", vif
            assert re.search(r"ovs-vswitchd has not taken it|os-vif got TimeoutException", vif.problem), vif
    finally:
        sh("kill -CONT $(pidof ovs-vswitchd)")
    again.unplug(gone.id)
    until(lambda: again.show(port.id).addresses == addressed, 90)
    assert [(vif.port_id, vif.state, vif.problem) for vif in again.list_vifs()] == [(port.id, "plugged", "")]
    again.unplug(port.id)


def test_a_tagged_network_s_device_is_recorded_and_made_where_the_kernel_can(
    manager: Manager, make_port: Callable[..., Port], sh: Callable[..., str]
) -> None:
    able = not kernel.missing(kernel.VLAN_DEVICES, user=False)
    port = make_port()
    manager.plug(port)
    device = Vlan(tag=7, mac_address="fa:16:3e:00:00:07", addresses=("10.0.7.3/24",))
    tagged = port.model_copy(update={"vlans": (device,)})

    def seen(vif: Vif) -> list[str]:
        shown = json.loads(sh(" ".join(manager.command(port.instance_id, ["ip", "-json", "-4", "address"]))))
        assert ("vlan7" in vif.lacks) is not able
        assert ("8021q" in manager.show(port.id).lacks) is not able
        return [info["local"] for link in shown if link["ifname"] == "vlan7" for info in link["addr_info"]]

    def index() -> str:
        return sh(
            " ".join(manager.command(port.instance_id, ["cat", f"/sys/class/net/{names.device(port.id)}/ifindex"]))
        )

    before = index()
    assert seen(manager.plug(tagged)) == (["10.0.7.3"] if able else [])
    assert index() == before
    # As after a reboot: nothing but the record is left.
    sh(f"ip netns del {manager.show(port.id).namespace}")
    recover(manager)
    until(lambda: manager.show(port.id).state == "plugged" and not manager.show(port.id).problem)
    assert seen(manager.show(port.id)) == (["10.0.7.3"] if able else [])
    assert not manager.plug(port).lacks
    manager.unplug(port.id)
