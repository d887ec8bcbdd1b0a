"""What ``lab up`` would refuse, told beforehand; what it will silently not do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fakevm.cli import check_matrix
from fakevm.lab import matrix, planning, reading
from fakevm.lab.features import reduction
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle.settling import settle
from fakevm.model.labfile import LabFile

ROOT = Path(__file__).parents[2]

# A lab of which nothing is wrong, to which the cases below are laid.
BASE = """
hosts: {compute1: {}, compute2: {}, network1: {roles: [dhcp, l3]}}
networks:
  public: {type: flat, physical_network: physnet1, external: true, subnets: {public-v4: {cidr: 203.0.113.0/24}}}
  private:
    subnets:
      private-v4: {cidr: 10.0.0.0/24}
      private-v6: {cidr: "fd00::/64", ipv6_ra_mode: slaac, ipv6_address_mode: slaac}
  other: {type: vlan, physical_network: physnet1, segment: 100, subnets: {other-v4: {cidr: 10.0.1.0/24}}}
routers:
  router: {external_gateway: public, interfaces: [private-v4, private-v6]}
guests:
  vm1: {ports: [{network: private, fixed_ips: [10.0.0.10]}]}
  vm2: {ports: [other]}
floating_ips:
  fip: {network: public, guest: vm1}
"""


def laid(base: Any, change: Any) -> Any:
    """Lay one tree over another; None takes a key away."""
    if not isinstance(base, Mapping) or not isinstance(change, Mapping):
        return change
    keys = {**base, **change}
    return {
        k: laid(base.get(k, {}), change[k]) if k in change else base[k] for k in keys if change.get(k, 0) is not None
    }


def lab(change: str = "", base: str = BASE) -> LabFile:
    yaml = YAML(typ="safe")
    return reading.parse_mapping(laid(yaml.load(base), yaml.load(change) or {}), "lab.yaml")


def refused(change: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidFile) as caught:
        settle(lab(change), kernel_datapath=False)
    return [(problem.path, problem.message) for problem in caught.value.problems]


def test_a_good_file_has_nothing_wrong_and_nothing_to_be_noted() -> None:
    settled = settle(lab(), kernel_datapath=False)
    assert settled.notes == ()
    assert settled.lab.release == "29.0.0"


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("**/*.yaml")), ids=lambda file: file.stem)
def test_every_example_is_taken(file: Path) -> None:
    settle(reading.read(file), kernel_datapath=False)


WRONG = {
    # -- networks
    "networks: {private: {mtu: 1451}}": ("networks.private.mtu", "largest MTU of a vxlan network is 1450"),
    "networks: {other: {mtu: 1501}}": ("networks.other.mtu", "largest MTU of a vlan network is 1500"),
    "networks: {private: {mtu: 1279}}": ("networks.private.mtu", "IPv6 subnet needs an MTU of 1280"),
    "{backend: ovn, networks: {private: {mtu: 1443}}}": ("networks.private.mtu", "geneve network is 1442"),
    "networks: {private: {type: geneve}}": ("networks.private.type", "no networks of the type geneve"),
    "networks: {a: {type: vlan, physical_network: physnet1, segment: 100}}": (
        "networks.a.segment", "'other' has the segment 100 of physnet1 already"),
    "networks: {a: {type: flat, physical_network: physnet1}}": (
        "networks.a.segment", "'public' has the physical network"),
    "{physical_networks: {physnet1: {}}, networks: {a: {type: vlan, physical_network: physnet1}}}": (
        "networks.a", "has no vlans"),
    "{physical_networks: {physnet1: {vlans: [100, 100]}}, networks: {a: {type: vlan, physical_network: physnet1}}}": (
        "networks.a", "they are taken"),
    # -- subnets
    "networks: {private: {subnets: {b: {cidr: 10.0.0.128/25}}}}": ("networks.private.subnets.b.cidr", "overlaps with"),
    "networks: {other: {subnets: {other-v4: {gateway: 10.0.1.255}}}}": (
        "networks.other.subnets.other-v4.gateway", "cannot be the gateway"),
    "networks: {other: {subnets: {other-v4: {allocation_pools: [{start: 10.0.1.1, end: 10.0.1.9}]}}}}": (
        "networks.other.subnets.other-v4.allocation_pools.0", "the gateway 10.0.1.1 is in the pool"),
    "networks: {other: {subnets: {other-v4: {allocation_pools: [{start: 10.0.1.9, end: 10.0.1.255}]}}}}": (
        "networks.other.subnets.other-v4.allocation_pools.0", "the network itself, or ends with everybody"),
    "networks: {other: {subnets: {other-v4: {allocation_pools: [{start: 10.0.1.5, end: 10.0.1.9}, "
    "{start: 10.0.1.9, end: 10.0.1.12}]}}}}": ("networks.other.subnets.other-v4.allocation_pools.1", "overlaps"),
    "networks: {other: {subnets: {other-v4: {cidr: 10.0.1.0/31}}}}": (
        "networks.other.subnets.other-v4.cidr", "too small for DHCP"),
    "networks: {other: {subnets: {b: {cidr: 224.0.0.0/24}}}}": (
        "networks.other.subnets.b.cidr", "no DHCP in 224.0.0.0/24"),
    "networks: {other: {subnets: {other-v4: {dns: ['fd00::1']}}}}": (
        "networks.other.subnets.other-v4.dns.0", "no IPv4 address"),
    "networks: {other: {subnets: {other-v4: {host_routes: [{destination: 'fd01::/64', nexthop: 10.0.1.2}]}}}}": (
        "networks.other.subnets.other-v4.host_routes.0", "not of IPv4 alone"),
    "networks: {other: {subnets: {v6: {cidr: 'fd02::/80', ipv6_address_mode: slaac}}}}": (
        "networks.other.subnets.v6.cidr", "must be /64"),
    "networks: {other: {subnets: {v6: {cidr: 'fd02::/64', dhcp: false, ipv6_address_mode: slaac}}}}": (
        "networks.other.subnets.v6.ipv6_address_mode", "dhcp: true only"),
    # -- subnet pools and address scopes
    "{subnet_pools: {p: {prefixes: [10.9.0.0/16]}}, networks: {n: {subnets: {n4: {cidr: 10.8.0.0/24, pool: p}}}}}": (
        "networks.n.subnets.n4.cidr", "10.8.0.0/24 is not of the subnet pool 'p': 10.9.0.0/16"),
    "{subnet_pools: {p: {prefixes: [10.9.0.0/16]}}, networks: {n: {subnets: {n4: {cidr: 10.9.0.0/24, pool: p}}}, "
    "m: {subnets: {m4: {cidr: 10.9.0.128/25, pool: p}}}}}": (
        "networks.m.subnets.m4.cidr", "the subnet 'n4' has 10.9.0.0/24 of this pool already"),
    "{subnet_pools: {p: {prefixes: [10.9.0.0/16]}}, networks: {n: {subnets: {n4: {cidr: 10.9.0.0/24, pool: p}, "
    "m4: {cidr: 10.9.1.0/24}}}}}": ("networks.n.subnets.m4", "are all of one subnet pool, or of none"),
    "{address_scopes: {s: {version: 6}}, subnet_pools: {p: {prefixes: [10.9.0.0/16], scope: s}}}": (
        "subnet_pools.p.scope", "the address scope 's' is of IPv6"),
    "{address_scopes: {s: {}}, subnet_pools: {p: {prefixes: [10.9.0.0/16], scope: s}, "
    "q: {prefixes: [10.9.1.0/24], scope: s}}}": ("subnet_pools.q.prefixes", "10.9.1.0/24 overlaps with 10.9.0.0/16 of"),
    # -- zones
    "networks: {private: {zones: [west]}}": ("networks.private.zones.0", "there is no zone 'west'"),
    "{hosts: {compute1: {zone: west}}, networks: {private: {zones: [west]}}}": (
        "networks.private.zones.0", "no host of the zone 'west' has the role dhcp"),
    "{hosts: {compute1: {zone: west}}, routers: {router: {zones: [west]}}}": (
        "routers.router.zones.0", "no host of the zone 'west' has the role l3"),
    "{backend: ovn, networks: {private: {zones: [nova]}}}": ("networks.private.zones.0", "there is no zone 'nova'"),
    # -- guests
    "hosts: {compute1: null, compute2: null}": ("guests", "need a host with the role compute"),
    "guests: {vm1: {ports: [{network: private, fixed_ips: [10.0.0.255]}]}}": (
        "guests.vm1.ports.0.fixed_ips.0", "10.0.0.255 is no address that a port can have"),
    "guests: {vm1: {ports: [{network: private, fixed_ips: [{subnet: other-v4}]}]}}": (
        "guests.vm1.ports.0.fixed_ips.0", "'other-v4' is not of the network 'private'"),
    "{networks: {bare: {}}, guests: {vm2: {ports: [{network: bare, fixed_ips: [10.9.9.9]}]}}}": (
        "guests.vm2.ports.0.fixed_ips", "has no subnets"),
    "guests: {vm2: {ports: [{network: private, fixed_ips: ['fd00::5']}]}}": (
        "guests.vm2.ports.0.fixed_ips.0", "made from MAC addresses"),
    "guests: {vm2: {ports: [{network: private, fixed_ips: [10.0.0.10]}]}}": (
        "guests.vm2.ports.0.fixed_ips.0", "guest 'vm1' has 10.0.0.10 already"),
    "guests: {vm2: {ports: [{network: private, fixed_ips: [10.0.0.1]}]}}": (
        "guests.vm2.ports.0.fixed_ips.0", "router 'router' has 10.0.0.1 already"),
    "guests: {a: {ports: [{network: other, mac: 'fa:16:3e:00:00:01'}]}, "
    "b: {ports: [{network: other, mac: 'FA:16:3E:00:00:01'}]}}": ("guests.b.ports.0.mac", "'a' has this MAC address"),
    "{networks: {other: {port_security: false}}, security_groups: {g: {}}, "
    "guests: {vm2: {ports: [{network: other, security_groups: [g]}]}}}": (
        "guests.vm2.ports.0.security_groups", "a port has no groups"),
    "{networks: {other: {port_security: false}}, "
    "guests: {vm2: {ports: [{network: other, allowed_address_pairs: [10.0.1.9]}]}}}": (
        "guests.vm2.ports.0.allowed_address_pairs", "no address pairs"),
    "{security_groups: {g: {stateful: false}}, "
    "guests: {vm2: {ports: [{network: other, security_groups: [g, default]}]}}}": (
        "guests.vm2.ports.0.security_groups", "no stateful and stateless groups together"),
    "guests: {vm2: {ports: [{network: private, trunk: [{network: other, vlan: 5}]}]}}": (
        "guests.vm2.ports.0.trunk.0", "'other' has an MTU of 1500, and that of the trunk's own port has 1450"),
    "{networks: {third: {}}, guests: {vm2: {ports: [{network: other, mac: 'fa:16:3e:00:00:01'}, "
    "{network: third, mac: 'fa:16:3e:00:00:01'}]}}}": (
        "guests.vm2.ports.1.mac", "another port of this guest has this MAC address"),
    "guests: {vm2: {ports: [other, private]}, vm2-1: {ports: [private]}}": (
        "guests.vm2-1.ports.0", "would be called 'vm2-1', and so is one of 'vm2'"),
    # -- interfaces and links
    "guests: {a: {interfaces: {eth0: {addresses: [10.7.0.1/24]}}}}": (
        "guests.a.interfaces.eth0", "neither on a network, nor at the end of a link"),
    "{guests: {a: {interfaces: {eth0: private}}}, links: {l: 'a:eth0 -- vm1:eth0'}}": (
        "links.l.ends.0", "a:eth0 is on the network 'private'"),
    "links: {l: 'vm1:eth1 -- vm2:eth1', m: 'vm2:eth2 -- vm1:eth1'}": (
        "links.m.ends.1", "vm1:eth1 is an end of the link 'l' already"),
    "links: {l: 'vm1:eth1 -- vm1:eth1'}": ("links.l.ends.1", "vm1:eth1 is the other end of this link already"),
    "{guests: {a: {interfaces: {eth0: {mtu: 9000}}}}, links: {l: 'a:eth0 -- vm1:eth0'}}": (
        "guests.a.interfaces.eth0.mtu", "the link has an MTU of 1500 only"),
    "{guests: {a: {interfaces: {eth0: {mac: '01:00:00:00:00:01'}}}}, links: {l: 'a:eth0 -- vm1:eth0'}}": (
        "guests.a.interfaces.eth0.mac", "no MAC address that a device can have"),
    "{guests: {a: {interfaces: {eth0: {addresses: ['fd00::1/64'], mtu: 1279}}}}, links: {l: 'a:eth0 -- vm1:eth0'}}": (
        "guests.a.interfaces.eth0.addresses.0", "IPv6 needs an MTU of 1280, and this is 1279"),
    "{guests: {a: {interfaces: {eth0: {addresses: [10.7.0.0/24]}}}}, links: {l: 'a:eth0 -- vm1:eth0'}}": (
        "guests.a.interfaces.eth0.addresses.0", "10.7.0.0/24 is no address that an interface can have"),
    "{guests: {a: {interfaces: {eth0: {addresses: [10.7.0.1/24, 10.7.0.1/24]}}}}, links: {l: 'a:eth0 -- vm1:eth0'}}": (
        "guests.a.interfaces.eth0.addresses.1", "10.7.0.1/24 is there already"),
    "{guests: {a: {interfaces: {eth0: {addresses: [10.7.0.1/24]}}}, "
    "b: {interfaces: {eth0: {addresses: [10.7.0.1/30]}}}}, links: {l: 'a:eth0 -- b:eth0'}}": (
        "guests.b.interfaces.eth0.addresses.0", "a:eth0, at the other end of the link, has 10.7.0.1/30, too"),
    "{guests: {a: {interfaces: {eth0: {mac: '02:00:00:00:00:01'}}}, "
    "b: {interfaces: {eth0: {mac: '02:00:00:00:00:01'}}}}, links: {l: 'a:eth0 -- b:eth0'}}": (
        "guests.b.interfaces.eth0.mac", "a:eth0, at the other end of the link, has this MAC"),
    "guests: {a: {interfaces: {eth0: {network: private, mac: '02:00:00:00:00:01'}, "
    "eth1: {network: other, mac: '02:00:00:00:00:01'}}}}": (
        "guests.a.interfaces.eth1.mac", "the interface 'eth0' has this MAC address, too"),
    "{guests: {a: {interfaces: {eth0: {network: other, trunk: [{network: private, vlan: 5}]}, vlan5: private}}}}": (
        "guests.a.interfaces.eth0.trunk.0.vlan", "is called 'vlan5', and so is another one"),
    "{guests: {vm1: {ports: [], interfaces: {}}}}": ("floating_ips.fip.guest", "the guest 'vm1' has no port"),
    # -- plain interfaces
    "{backend: linuxbridge, guests: {a: {ports: [{network: private, nic: plain}]}}}": (
        "guests.a.ports.0.nic", "with the backend linuxbridge no interface is plain"),
    "{backend: openflow, guests: {a: {interfaces: {eth0: {network: private, nic: plain}}}}}": (
        "guests.a.interfaces.eth0.nic", "with the backend openflow no interface is plain"),
    "{config: {server: {DEFAULT: {global_physnet_mtu: 9000}}}, networks: {other: {mtu: 1501}}, "
    "guests: {a: {ports: [{network: other, nic: plain}]}}}": (
        "guests.a.ports.0.nic", "at most 1500 bytes, and the network's MTU is 1501"),
    "{hosts: {compute1: {firewall: iptables_hybrid}}, guests: {a: {host: compute1, ports: "
    "[{network: private, nic: plain}]}}}": ("guests.a.ports.0.nic", "iptables_hybrid has a Linux bridge"),
    "guests: {a: {ports: [{network: private, nic: plain, impair: {received: {loss: 1}}}]}}": (
        "guests.a.ports.0.nic", "what a plain interface receives can be neither impaired nor shaped"),
    "{guests: {a: {interfaces: {eth0: {nic: plain}}}}, links: {l: 'a:eth0 -- vm1:eth0'}}": (
        "guests.a.interfaces.eth0.nic", "at a link's end, or in a bridge, is a veth"),
    # -- routers
    "{networks: {other: {subnets: {other-v4: {gateway: none}}}}, routers: {r: {interfaces: [other-v4]}}}": (
        "routers.r.interfaces.0", "has no gateway: give the interface an address"),
    "routers: {r: {interfaces: [{subnet: other-v4, address: 10.0.9.1}]}}": (
        "routers.r.interfaces.0", "10.0.9.1 is no address"),
    "routers: {r: {interfaces: [other-v4, other-v4]}}": ("routers.r.interfaces.1", "in the subnet 'other-v4' already"),
    "routers: {r: {interfaces: [private-v4]}}": ("routers.r.interfaces.0", "router 'router' has 10.0.0.1 already"),
    "{networks: {o: {subnets: {o4: {cidr: 10.0.0.0/16}}}}, routers: {router: {interfaces: [private-v4, o4]}}}": (
        "routers.router.interfaces.1", "overlaps with 10.0.0.0/24"),
    "{networks: {o: {subnets: {o4: {cidr: 203.0.113.0/25}}}}, routers: {router: {interfaces: [private-v4, o4]}}}": (
        "routers.router.interfaces.1", "overlaps with 203.0.113.0/24"),
    "routers: {router: {external_gateway: {network: public, addresses: [203.0.114.5]}}}": (
        "routers.router.external_gateway.addresses.0", "no address of 'public'"),
    "routers: {router: {routes: [{destination: 10.9.0.0/16, nexthop: 10.0.1.9}]}}": (
        "routers.router.routes.0", "in no subnet that the router is in"),
    "routers: {router: {routes: [{destination: 10.9.0.0/16, nexthop: 10.0.0.1}]}}": (
        "routers.router.routes.0", "the router's own address"),
    "hosts: {network1: {roles: [dhcp]}}": ("routers", "routers need a host with the role l3"),
    "{backend: openflow, hosts: {network1: {roles: [dhcp]}}}": ("routers", "routers need a host with the role l3"),
    "routers: {router: {distributed: true}}": ("routers", "the distributed router 'router' needs"),
    # -- floating IPs
    "floating_ips: {fip: {guest: vm2}}": ("floating_ips.fip.guest", "no router leads from the network 'other'"),
    "floating_ips: {fip: {port: other}}": ("floating_ips.fip.port", "no port in the network 'other'"),
    "floating_ips: {fip: {address: 10.0.0.9}}": ("floating_ips.fip.address", "no address of 'public'"),
    "floating_ips: {two: {network: public, guest: vm1}}": ("floating_ips.two", "a floating IP of 'public' already"),
    "floating_ips: {two: {network: public, port: private}}": ("floating_ips.two.port", "'private' is a network"),
    "{ports: {vip: other}, floating_ips: {two: {network: public, port: vip}}}": (
        "floating_ips.two.port", "no router leads from the network 'other'"),
    "floating_ips: {fip: {fixed_ip: 10.0.9.9}}": ("floating_ips.fip.fixed_ip", "10.0.9.9 is no address of 'private'"),
    "{ports: {vip: private}, floating_ips: {a: {network: public, port: vip}, b: {network: public, port: vip}}}": (
        "floating_ips.b", "a floating IP of 'public' already: 'a'"),
    "floating_ips: {two: {network: public, port_forwardings: [{ports: 80, guest: vm2}]}}": (
        "floating_ips.two.port_forwardings.0.guest", "no router leads from the network 'other'"),
    "floating_ips: {two: {network: public, port_forwardings: [{ports: 80, guest: vm1}]}}": (
        "floating_ips.two.port_forwardings.0", "the port has a floating IP of its own, 'fip'"),
    "{guests: {b: {ports: [private]}}, floating_ips: {two: {network: public, port_forwardings: "
    "[{ports: 80-90, guest: b}, {ports: 90-95, guest: b, to_ports: 1090-1095}]}}}": (
        "floating_ips.two.port_forwardings.1", "tcp 80-90 of 'two' is forwarded already"),
    "{guests: {b: {ports: [private]}}, floating_ips: {two: {network: public, port_forwardings: "
    "[{ports: 80, guest: b}]}, three: {network: public, port_forwardings: [{ports: 81, guest: b, to_ports: 80}]}}}": (
        "floating_ips.three.port_forwardings.0", "tcp 80 of 'b' is forwarded already"),
    # -- ports without a guest
    "ports: {vip: {network: private, fixed_ips: [10.0.0.255]}}": (
        "ports.vip.fixed_ips.0", "10.0.0.255 is no address that a port can have"),
    "ports: {vip: {network: private, fixed_ips: [10.0.0.10]}}": (
        "guests.vm1.ports.0.fixed_ips.0", "port 'vip' has 10.0.0.10 already"),
    "ports: {vip: {network: private, fixed_ips: [{subnet: other-v4}]}}": (
        "ports.vip.fixed_ips.0", "'other-v4' is not of the network 'private'"),
    "ports: {a: {network: other, mac: 'fa:16:3e:00:00:01'}, b: {network: other, mac: 'fa:16:3e:00:00:01'}}": (
        "ports.b.mac", "port 'a' has this MAC address"),
    "{networks: {other: {port_security: false}}, security_groups: {g: {}}, "
    "ports: {vip: {network: other, security_groups: [g]}}}": ("ports.vip.security_groups", "a port has no groups"),
    "{ports: {vip: other}, guests: {a: {ports: [{network: private, allowed_address_pairs: [vip]}]}}}": (
        "guests.a.ports.0.allowed_address_pairs.0", "the port 'vip' is in the network 'other'"),
    "{ports: {a-1: other}, guests: {a: {ports: [private, other]}}}": ("ports.a-1", "a port of 'a' is called so"),
    "{ports: {a-vlan5: other}, guests: {a: {ports: [{network: other, trunk: [{network: private, vlan: 5}]}]}}}": (
        "ports.a-vlan5", "a port of 'a' is called so"),
    "guests: {a-vlan5: {ports: [other]}, a: {ports: [{network: other, trunk: [{network: private, vlan: 5}]}]}}": (
        "guests.a.ports.0", "would be called 'a-vlan5', and so is one of 'a-vlan5'"),
    # -- groups and policies
    "security_groups: {default: {}}": ("security_groups.default", "cannot be made"),
    "security_groups: {g: {rules: [{protocol: tpc}]}}": ("security_groups.g.rules.0.protocol", "no protocol 'tpc'"),
    "security_groups: {g: {rules: [{protocol: 256}]}}": ("security_groups.g.rules.0.protocol", "from 0 to 255"),
    "security_groups: {g: {rules: [{protocol: ipv6-icmp}]}}": (
        "security_groups.g.rules.0.protocol", "say ethertype: IPv6"),
    "qos_policies: {q: {bandwidth_limits: [{rate: 3000 Gbit/s}]}}": (
        "qos_policies.q.bandwidth_limits.0.rate", "at most 2147483647"),
    # -- the backend's, and the plan's
    "{backend: ovn, firewall: noop}": ("firewall", "always filters"),
    "{backend: ovn, hosts: {compute2: {firewall: noop}}}": ("hosts.compute2.firewall", "always filters"),
    "{backend: openflow, openflow: {application: ./none.py}}": ("openflow.application", "there is no file"),
    "{backend: ovn, release: 2024.2}": ("release", "does not run with Neutron 25.2.3"),
    "{backend: ovn, hosts: {compute2: {release: 25.2.3}}}": ("hosts.compute2.release", "does not run with Neutron"),
    "physical_networks: {int: {}, physnet1: {}}": ("physical_networks.int", "needs a device 'br-int'"),
}  # fmt: skip


@pytest.mark.parametrize("change", WRONG)
def test_what_neutron_would_refuse_is_told_beforehand(change: str) -> None:
    path, message = WRONG[change]
    (found,) = refused(change)
    assert found[0] == path
    assert message in found[1]


@pytest.mark.parametrize(
    ("change", "found"),
    {
        "guests: {client: {ports: [private]}}": ["guests.client: 'client' is also the name of a client"],
        "links: {vm2: 'vm1:eth1 -- vm2:eth1'}": [
            "guests.vm2: 'vm2' is also the name of a link", "links.vm2: 'vm2' is also the name of a guest"],
        "guests: {compute2: {ports: [private]}}": [
            "guests.compute2: 'compute2' is also the name of a host",
            "hosts.compute2: 'compute2' is also the name of a guest"],
        "guests: {fip: {ports: [private]}}": [
            "floating_ips.fip: 'fip' is also the name of a guest",
            "guests.fip: 'fip' is also the name of a floating IP"],
        "{outside: {clients: {vm1: 10}}, links: {compute1: 'vm1:eth1 -- vm2:eth1'}}": [
            "guests.vm1: 'vm1' is also the name of a client", "hosts.compute1: 'compute1' is also the name of a link",
            "links.compute1: 'compute1' is also the name of a host",
            "outside.clients.vm1: 'vm1' is also the name of a guest"],
        "{outside: {clients: {fip: 10}}}": [
            "floating_ips.fip: 'fip' is also the name of a client",
            "outside.clients.fip: 'fip' is also the name of a floating IP"],
    }.items(),
)  # fmt: skip
def test_what_is_called_as_something_else_is_told_of_both(change: str, found: list[str]) -> None:
    assert sorted(f"{path}: {message}" for path, message in refused(change)) == found


def test_a_floating_ip_may_be_called_as_a_host_or_a_link() -> None:
    """Files of before may have that, and nothing is unclear."""
    settle(lab("{floating_ips: {fip: null, compute1: {network: public, guest: vm1}}}"), kernel_datapath=False)


def test_names_that_mean_two_things_are_told_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text("hosts:\n  r: {count: 2}\nguests:\n  r1: {}\n  r2: {}\nlinks:\n  a: r1:eth0 -- r2:eth0\n")
    written = reading.load(file)
    with pytest.raises(InvalidFile) as caught:
        settle(written.lab, kernel_datapath=False, place=written.place)
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (2, "hosts.r"), (2, "hosts.r"), (4, "guests.r1"), (5, "guests.r2"),
    ]  # fmt: skip


def test_without_a_guest_its_links_are_left_out_too() -> None:
    change = "{backend: linuxbridge, networks: {g: {type: geneve}}, guests: {vm2: {ports: [g]}}, "
    change += "links: {l: 'vm1:eth1 -- vm2:eth1'}}"
    reduced = reduction.without(lab(change), {"tunnels": "none"})
    assert "vm2" not in reduced.lab.guests
    assert not reduced.lab.links


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = refused("{backend: openflow, hosts: {network1: {l3_mode: dvr_snat}}, networks: {private: {type: geneve}}}")
    assert [path for path, _ in found] == ["hosts.network1.l3_mode", "networks.private.type"]


NOTED = {
    "security_groups: {g: {stateful: false}}": (
        "security_groups.g.stateful", "is stateful all the same on compute1, compute2"),
    "{firewall: noop, security_groups: {g: {}}}": ("security_groups", "filter nothing on"),
    "{firewall: iptables_hybrid, networks: {other: {mtu: 1450}}, "
    "guests: {vm2: {ports: [{network: private, trunk: [{network: other, vlan: 5}]}]}}}": ("guests.vm2", "unfiltered"),
    "networks: {other: {subnets: {v6: {cidr: 'fd02::/64', ipv6_ra_mode: slaac}}}}": (
        "networks.other.subnets.v6.ipv6_ra_mode", "nobody announces"),
    "routers: {router: {ha: true}}": ("routers.router.ha", "is on network1 alone"),
    "guests: {vm1: {user_data: hello}}": ("guests.vm1.user_data", "no host has the role metadata"),
    "networks: {other: {external: true}}": ("networks.other.external", "leads nowhere"),
    "qos_policies: {q: {bandwidth_limits: [{direction: ingress, rate: 1000}]}}": ("qos_policies", "is not limited"),
}  # fmt: skip


@pytest.mark.parametrize("change", NOTED)
def test_what_a_lab_silently_does_not_do_is_noted(change: str) -> None:
    path, message = NOTED[change]
    (note,) = settle(lab(change), kernel_datapath=False).notes
    assert note.path == path
    assert message in note.what


def test_what_has_no_gap_is_not_noted() -> None:
    assert not settle(lab("{firewall: iptables_hybrid, security_groups: {g: {}}}"), kernel_datapath=False).notes
    ovn = settle(lab("{backend: ovn, security_groups: {g: {stateful: false}}}"), kernel_datapath=False)
    assert not [note for note in ovn.notes if "stateful" in note.what]


def test_hosts_without_a_zone_of_their_own_are_in_neutrons() -> None:
    settle(lab("networks: {private: {zones: [nova]}}"), kernel_datapath=False)


def test_an_external_network_whose_gateway_a_guest_is_leads_somewhere() -> None:
    edge = "guests: {edge: {ports: [{network: other, fixed_ips: [10.0.1.1], port_security: false}]}}"
    change = f"{{networks: {{other: {{external: true}}}}, {edge}}}"
    assert not settle(lab(change), kernel_datapath=False).notes
    assert settle(lab(change.replace("10.0.1.1]", "10.0.1.2]")), kernel_datapath=False).notes


PLAIN = "guests: {vm2: {host: compute2, ports: [{network: other, nic: plain, impair: {sent: {loss: 1}}}]}}"


@pytest.mark.parametrize("backend", ["ovs", "ovn"])
def test_an_interface_may_be_plain_where_its_own_host_has_no_hybrid_firewall(backend: str) -> None:
    hybrid = "hosts: {compute1: {firewall: iptables_hybrid}}, " if backend == "ovs" else ""
    settled = settle(lab(f"{{backend: {backend}, {hybrid}{PLAIN}}}"), kernel_datapath=False)
    assert [port.nic for port in settled.lab.guests["vm2"].on_networks] == ["plain"]


def test_what_is_settled_is_the_plan_and_what_is_left_out_with_the_feature_that_it_needs(tmp_path: Path) -> None:
    settled = settle(lab("{backend: openflow, qos_policies: {q: {}}, security_groups: {g: {}}}"), kernel_datapath=False)
    assert settled.left_out == {"security-groups": ["security group g"], "qos": ["QoS policy q"]}
    assert [host.name for host in settled.plan.hosts] == ["compute1", "compute2", "network1"]
    assert settled.plan.directory == Path()
    placed = planning.placed(settled.plan, tmp_path, {settled.plan.release: tmp_path / "venv"})
    assert (placed.directory, placed.venv, placed.hosts[0].venv) == (tmp_path, tmp_path / "venv", tmp_path / "venv")
    assert placed.broker_password == settled.plan.broker_password


def test_a_matrix_says_where_in_the_file_something_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAKEVM_LABS", str(tmp_path / "labs"))
    monkeypatch.setattr(check_matrix, "need_programs", lambda lab, backend: None)
    file = tmp_path / "lab.yaml"
    file.write_text("hosts: {h: {}}\n\nrouters: {r: {}}\nchecks: {c: {kind: ping, from: client, to: client}}\n")
    written = reading.load(file)
    tried = check_matrix.Matrix(written.lab, written.lab.checks, "met", 1.0, written.place)
    tried.run(matrix.variants(written.lab, {"backend": ["openflow"]}))
    ((up, check),) = tried.results.values()
    assert (up.status, check.status) == ("error", "error")
    assert f"{file}:3: routers: routers need a host with the role l3" in up.seen
    assert not (tmp_path / "labs").exists()
