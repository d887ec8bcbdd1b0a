"""Services that FakeVM knows: each does to packages what it is for."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from fakevm import release

from .conftest import awaited, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Lab, Labs

pytestmark = [pytest.mark.lab, pytest.mark.slow]

LAB = """\
hosts: {all: {roles: [compute, dhcp, l3]}, peer: {}}
services: [port_forwarding, dns, log, network_segment_range, taas, fwaas, metering, local_ip, bgp]
physical_networks: {external: {}}
networks:
  public:
    {type: flat, physical_network: external, external: true, subnets: {public4: {cidr: 203.0.113.0/24, dhcp: false}}}
  private: {subnets: {private4: {cidr: 10.0.0.0/24}}}
  dmz: {subnets: {dmz4: {cidr: 10.1.0.0/24}}}
routers: {router1: {interfaces: [private4, dmz4], external_gateway: public}}
security_groups: {web: {rules: [{protocol: icmp}, {protocol: tcp, ports: 80}]}}
guests:
  web1:
    host: all
    ports: [{network: private, security_groups: [web], fixed_ips: [10.0.0.11]}]
    run: [{command: exec python3 -m http.server 80 --directory /usr/share/common-licenses, background: true}]
  vm2: {host: all, ports: [{network: private, security_groups: [web]}]}
  watcher: {host: all, ports: [{network: private, security_groups: [web]}]}
  far: {host: all, ports: [{network: dmz, security_groups: [web]}]}
checks:
  name: {kind: dns, from: vm2, name: www.lab.test, server: 10.0.0.2, answer: 10.0.0.11, within: 60s}
  out: {kind: ping, from: vm2, to: client, within: 60s}
  routed: {kind: ping, from: far, to: web1, within: 60s}
  web: {kind: tcp, from: far, to: web1, port: 80, within: 60s}
  no web: {kind: tcp, from: far, to: web1, port: 80, within: 60s, expect: blocked}
"""
# Of what a lab file makes.
PROJECT = "fakevm"
URL = "http://203.0.113.81:8080/GPL-3"


def with_services(own_labs: Labs, text: str) -> Iterator[Lab]:
    """Bring up a lab, called ``services``, from a lab file; what was derived for it is removed."""
    up = own_labs.up_from("services", text)
    yield up
    own_labs.fakevm("lab", "down", "services")
    release.remove(up.record.release)


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Iterator[Lab]:
    """Bring up a lab with all of them on one host."""
    yield from with_services(own_labs, LAB)


def openstack(lab: Lab, *words: str) -> dict[str, Any]:
    """Run a command that makes something; gives it."""
    done = lab.openstack(*words, "-f", "json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def make(lab: Lab, path: str, kind: str, **fields: Any) -> dict[str, Any]:
    """Make something that the openstack client has no words for."""
    return dict(lab.api("POST", f"/{path}", {kind: fields})[kind])


def change(lab: Lab, path: str, kind: str = "", **fields: Any) -> None:
    """Change something that the openstack client has no words for."""
    lab.api("PUT", f"/{path}", {kind: fields} if kind else fields)


def port(lab: Lab, guest: str) -> str:
    """Find the port of a guest."""
    return str(next(row["vif_id"] for row in lab.told("list") if row["name"] == guest))


def outside(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command at the client outside."""
    return lab.fakevm("lab", "exec", "outside", "--", "ip", "netns", "exec", "client", *words)


def test_port_forwarding(lab: Lab) -> None:
    assert lab.fakevm("check", "--only", "out").returncode == 0
    address = openstack(lab, "floating", "ip", "create", "--floating-ip-address", "203.0.113.81", "public")
    ask = ("curl", "-s", "-m", "3", URL)
    assert outside(lab, *ask).returncode
    openstack(
        lab, "floating", "ip", "port", "forwarding", "create", "--internal-ip-address", "10.0.0.11",
        "--port", port(lab, "web1"), "--internal-protocol-port", "80", "--external-protocol-port", "8080",
        "--protocol", "tcp", str(address["id"]),
    )  # fmt: skip
    until(lambda: "GNU GENERAL" in outside(lab, *ask).stdout)


def test_dns(lab: Lab) -> None:
    done = lab.openstack("port", "set", "--dns-name", "www", port(lab, "web1"))
    assert done.returncode == 0, done.stderr
    checked = lab.fakevm("check", "--only", "name")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def logged(lab: Lab) -> str:
    """Give what a host has logged of packets."""
    return lab.fakevm("lab", "exec", "all", "--", "cat", "/run/neutron/network.log").stdout


def test_log(lab: Lab) -> None:
    assert "DROP" not in logged(lab)
    make(lab, "log/logs", "log", name="drops", resource_type="security_group", event="DROP", project_id=PROJECT)

    def knocked() -> bool:
        lab.fakevm("exec", "vm2", "--", "timeout", "2", "bash", "-c", "echo >/dev/tcp/10.0.0.11/22")
        return bool(re.search(r"action=DROP.*10\.0\.0\.11", logged(lab)))

    until(knocked)


def test_network_segment_range(lab: Lab) -> None:
    numbers = {"network_type": "vxlan", "minimum": 20000, "maximum": 20000}
    make(lab, "network_segment_ranges", "network_segment_range", shared=False, project_id="ranged", **numbers)
    network = make(lab, "networks", "network", name="ranged", project_id="ranged")
    assert network["provider:segmentation_id"] == 20000
    openstack(lab, "subnet", "create", "--network", "ranged", "--subnet-range", "10.5.0.0/24", "--no-dhcp", "ranged")
    one, two = (lab.guest("ranged", name, "all", "--addressing", "static") for name in ("one", "two"))
    assert lab.reaches(one, two, within=60)


def test_taas_mirrors_a_guest_s_packets_to_another(lab: Lab) -> None:
    capture = ("timeout", "20", "tcpdump", "-c", "1", "-n", "icmp", "and", "dst", "host", "10.0.0.11")

    def seen() -> bool:
        with lab.labs.begin("--lab", "services", "exec", "watcher", "--", *capture) as watching:
            lab.fakevm("exec", "vm2", "--", "ping", "-c", "15", "-i", "0.5", "10.0.0.11")
            said, _ = watching.communicate(timeout=120)
        return "ICMP echo request" in said

    assert not seen()
    watcher = {"project_id": PROJECT, "port_id": port(lab, "watcher")}
    service = make(lab, "taas/tap_services", "tap_service", name="service", **watcher)
    source = {"project_id": PROJECT, "source_port": port(lab, "web1"), "direction": "BOTH"}
    make(lab, "taas/tap_flows", "tap_flow", name="flow", tap_service_id=service["id"], **source)
    assert awaited(seen, True, 120)


def met(lab: Lab, *names: str) -> bool:
    """Tell whether checks of the lab file are met."""
    return lab.fakevm("check", *(word for name in names for word in ("--only", name))).returncode == 0


def router_port(lab: Lab, subnet: str) -> str:
    """Find the port of the router in a subnet."""
    done = lab.openstack("port", "list", "--router", "router1", "--fixed-ip", f"subnet={subnet}", "-f", "json")
    return str(json.loads(done.stdout)[0]["ID"])


def firewall(lab: Lab) -> str:
    """Deny TCP 80, and nothing else, at the router's port in private4; gives the firewall group."""
    deny = {"protocol": "tcp", "destination_port": "80", "action": "deny"}
    rules = [make(lab, "fwaas/firewall_rules", "firewall_rule", project_id=PROJECT, **rule)["id"]
             for rule in (deny, {"protocol": None, "action": "allow"})]  # fmt: skip
    policy = make(lab, "fwaas/firewall_policies", "firewall_policy", project_id=PROJECT, firewall_rules=rules)["id"]
    both = {"ingress_firewall_policy_id": policy, "egress_firewall_policy_id": policy}
    ports = [router_port(lab, "private4")]
    group = make(lab, "fwaas/firewall_groups", "firewall_group", project_id=PROJECT, ports=ports, **both)
    return str(group["id"])


def test_fwaas_blocks_what_the_security_groups_let_pass(lab: Lab) -> None:
    assert met(lab, "routed", "web")
    group = firewall(lab)
    assert met(lab, "no web", "routed")
    change(lab, f"fwaas/firewall_groups/{group}", "firewall_group", ports=[])
    assert met(lab, "web")


def test_metering_counts_what_leaves(lab: Lab) -> None:
    """That the agent of 29.0.0 tells nobody what it has counted is another matter (docs/findings/0009)."""
    label = make(lab, "metering/metering-labels", "metering_label", name="out", project_id=PROJECT)["id"]
    rule = {"metering_label_id": label, "direction": "egress", "source_ip_prefix": "10.0.0.0/24"}
    make(lab, "metering/metering-label-rules", "metering_label_rule", **rule)
    router = openstack(lab, "router", "show", "router1")["id"]
    listing = ("ip", "netns", "exec", f"qrouter-{router}", "iptables-save", "-c", "-t", "filter")

    def counted() -> bool:
        assert met(lab, "out")
        rules = lab.fakevm("lab", "exec", "all", "--", *listing).stdout
        return bool(re.search(rf"^\[[1-9]\d*:\d+\] -A neutron-meter-l-{label[:12]}$", rules, re.MULTILINE))

    until(counted)


def test_a_local_ip_leads_to_a_port_of_the_same_host(lab: Lab) -> None:
    network = openstack(lab, "network", "show", "private")["id"]
    local = make(lab, "local_ips", "local_ip", name="web", network_id=network, project_id=PROJECT)
    ask = ("exec", "vm2", "--", "curl", "-s", "-m", "3", f"http://{local['local_ip_address']}/GPL-3")
    assert lab.fakevm(*ask).returncode
    make(lab, f"local_ips/{local['id']}/port_associations", "port_association", fixed_port_id=port(lab, "web1"))
    until(lambda: "GNU GENERAL" in lab.fakevm(*ask).stdout)


BIRD = """\
router id {there};
protocol device {{}}
protocol kernel {{ipv4 {{export all;}};}}
protocol static {{ipv4; route {gateway}/32 via "br-external";}}
protocol bgp neutron {{
  local {there} as 65001;
  neighbor {here} as 65002;
  passive;
  multihop;
  ipv4 {{import all; export none; gateway recursive;}};
}}
"""


def test_bgp_tells_a_peer_where_floating_ips_are(lab: Lab) -> None:
    """The peer is BIRD on another host, which routes to a floating IP as it is told."""
    here, there = (host.management_address for host in lab.record.hosts if host.name in ("all", "peer"))
    address = openstack(lab, "floating", "ip", "create", "--port", port(lab, "vm2"), "public")["floating_ip_address"]
    (gateway,) = openstack(lab, "router", "show", "router1")["external_gateway_info"]["external_fixed_ips"]

    def on_peer(script: str) -> subprocess.CompletedProcess[str]:
        return lab.fakevm("lab", "exec", "peer", "--", "sh", "-c", script)

    (lab.record.host_directory("peer") / "bird.conf").write_text(
        BIRD.format(here=here, there=there, gateway=gateway["ip_address"])
    )
    folder = "/run/fakevm/hosts/peer"
    ready = on_peer(
        f"bird -c {folder}/bird.conf -s {folder}/bird.socket -P {folder}/bird.pid && ip link set br-external up"
        f" && ip addr add 203.0.113.250/32 dev br-external && ip route add {gateway['ip_address']} dev br-external"
    )
    assert ready.returncode == 0, ready.stderr
    ask = f"ping -c 1 -W 2 {address}"
    assert on_peer(ask).returncode
    network = openstack(lab, "network", "show", "public")["id"]
    told = {"name": "speaker", "local_as": 65002, "ip_version": 4, "project_id": PROJECT}
    speaker = make(lab, "bgp-speakers", "bgp_speaker", **told)["id"]
    peer = make(lab, "bgp-peers", "bgp_peer", name="peer", peer_ip=there, remote_as=65001, auth_type="none")["id"]
    change(lab, f"bgp-speakers/{speaker}/add_gateway_network", network_id=network)
    change(lab, f"bgp-speakers/{speaker}/add_bgp_peer", bgp_peer_id=peer)
    until(lambda: on_peer(ask).returncode == 0)
    on_peer(f"kill $(cat {folder}/bird.pid)")
