"""The metadata of a guest as a tree of documents, in EC2's form and OpenStack's, as Nova has it.

Sources: nova.api.metadata.base (``InstanceMetadata``), nova.virt.netutils (network_data.json).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Union

from .instance import Instance, Nic

# nova.api.metadata.base: VERSIONS, OPENSTACK_VERSIONS.
_EC2_VERSIONS = (
    "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
    "2009-04-04", "latest",
)  # fmt: skip
_OPENSTACK_VERSIONS = (
    "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27",
    "2020-10-14", "latest",
)  # fmt: skip

Node = Union[str, "Directory"]


@dataclass(frozen=True)
class Directory:
    """A level of the tree; ``labels`` are what a listing says of a child instead of its name."""

    children: dict[str, Node]
    labels: dict[str, str] = field(default_factory=dict)

    def listing(self) -> str:
        """Name the children, a line each; those of directories end in a slash."""
        return "\n".join(
            self.labels.get(name, f"{name}/" if isinstance(child, Directory) else name)
            for name, child in self.children.items()
        )


def read(instance: Instance, path: str) -> str | None:
    """Give the document, or the listing, at a path of the tree; None when there is nothing."""
    node: Node = tree(instance)
    for part in filter(None, path.split("/")):
        if not isinstance(node, Directory) or part not in node.children:
            return None
        node = node.children[part]
    return node.listing() if isinstance(node, Directory) else node


def tree(instance: Instance) -> Directory:
    """Make the whole tree of a guest."""
    ec2, openstack = _ec2(instance), _openstack(instance)
    return Directory(
        {
            **dict.fromkeys(_EC2_VERSIONS, ec2),
            "openstack": Directory(dict.fromkeys(_OPENSTACK_VERSIONS, openstack)),
        }
    )


def _ec2(instance: Instance) -> Directory:
    keys = list(instance.keys.items())
    about: dict[str, Node] = {
        "ami-id": f"ami-{_number(instance.image)}",
        "ami-launch-index": str(instance.launch_index),
        "ami-manifest-path": "FIXME",
        "block-device-mapping": Directory({"ami": "vda", "root": "/dev/vda"}),
        "hostname": instance.hostname,
        "instance-action": "none",
        "instance-id": instance.id,
        "instance-type": instance.flavor,
        "local-hostname": instance.hostname,
        "local-ipv4": next((a for a in instance.addresses if ":" not in a), ""),
        "placement": Directory({"availability-zone": instance.availability_zone}),
        "public-hostname": instance.hostname,
        "public-ipv4": instance.public_ipv4,
    }
    if keys:
        about["public-keys"] = Directory(
            {str(number): Directory({"openssh-key": key}) for number, (_, key) in enumerate(keys)},
            labels={str(number): f"{number}={name}" for number, (name, _) in enumerate(keys)},
        )
    about["reservation-id"] = instance.reservation_id
    about["security-groups"] = "\n".join(instance.security_groups)
    return Directory({"meta-data": Directory(about), **_user_data("user-data", instance)})


def _openstack(instance: Instance) -> Directory:
    about = {
        "uuid": instance.id,
        "name": instance.name,
        "hostname": instance.hostname,
        "project_id": instance.project_id,
        "availability_zone": instance.availability_zone,
        "launch_index": instance.launch_index,
        "public_keys": instance.keys,
        "keys": [{"name": name, "type": "ssh", "data": data} for name, data in instance.keys.items()],
        "meta": instance.meta,
        "devices": [],
        "dedicated_cpus": [],
    }
    return Directory(
        {
            "meta_data.json": json.dumps(about),
            **_user_data("user_data", instance),
            "vendor_data.json": "{}",
            "network_data.json": json.dumps(_network(instance)),
            "vendor_data2.json": "{}",
        }
    )


def _network(instance: Instance) -> dict[str, Any]:
    links = [_link(nic) for nic in instance.nics]
    networks = [
        {"id": f"network{number}", "network_id": nic.network_id, "link": _link(nic)["id"], **_address(fixed)}
        for number, (nic, fixed) in enumerate((nic, fixed) for nic in instance.nics for fixed in nic.addresses)
    ]
    servers = dict.fromkeys(server for nic in instance.nics for one in nic.addresses for server in one["dns_servers"])
    return {"links": links, "networks": networks, "services": [{"type": "dns", "address": one} for one in servers]}


def _link(nic: Nic) -> dict[str, Any]:
    # Nova names links as libvirt's taps, which are cut at 14 characters.
    name = f"tap{nic.id}"[:14]
    return {"id": name, "vif_id": nic.id, "type": "ovs", "mtu": nic.mtu, "ethernet_mac_address": nic.mac_address}


def _address(fixed: dict[str, Any]) -> dict[str, Any]:
    """Say how an address is got: of a subnet with DHCP that is all, as with Nova."""
    version = 6 if ":" in fixed["address"] else 4
    if fixed["enable_dhcp"] and version == 4:
        return {"type": "ipv4_dhcp"}
    if fixed.get("ipv6_address_mode"):
        return {"type": f"ipv6_{fixed['ipv6_address_mode']}"}
    everywhere = "::" if version == 6 else "0.0.0.0"
    routes = [{"network": everywhere, "gateway": fixed["gateway"]}] if fixed["gateway"] else []
    return {"type": f"ipv{version}", "ip_address": f"{fixed['address']}/{fixed['prefix_length']}", "routes": routes}


def _number(image: str) -> str:
    """Give a name as EC2 has them; Nova's are numbers of its database."""
    return hashlib.sha256(image.encode()).hexdigest()[:8]


def _user_data(name: str, instance: Instance) -> dict[str, Node]:
    # As Nova: a guest without user data has no such document.
    return {name: instance.user_data} if instance.user_data else {}
