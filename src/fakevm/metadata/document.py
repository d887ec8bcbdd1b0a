"""The metadata of a guest as a tree of documents, in EC2's form and OpenStack's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Union

from .instance import Instance

# Versions that cloud-init and cirros ask for.
_EC2_VERSIONS = ("2009-04-04", "latest")
_OPENSTACK_VERSIONS = ("2012-08-10", "2018-08-27", "latest")

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
        "instance-id": instance.id,
        "hostname": instance.hostname,
        "local-hostname": instance.hostname,
    }
    if instance.addresses:
        about["local-ipv4"] = next((a for a in instance.addresses if ":" not in a), "")
    if keys:
        about["public-keys"] = Directory(
            {str(number): Directory({"openssh-key": key}) for number, (_, key) in enumerate(keys)},
            labels={str(number): f"{number}={name}" for number, (name, _) in enumerate(keys)},
        )
    return Directory({"meta-data": Directory(about), **_user_data("user-data", instance)})


def _openstack(instance: Instance) -> Directory:
    about = {
        "uuid": instance.id,
        "name": instance.name,
        "hostname": instance.hostname,
        "project_id": instance.project_id,
        "public_keys": instance.keys,
        "keys": [{"name": name, "type": "ssh", "data": data} for name, data in instance.keys.items()],
        "meta": {},
    }
    return Directory({"meta_data.json": json.dumps(about), **_user_data("user_data", instance)})


def _user_data(name: str, instance: Instance) -> dict[str, Node]:
    # As Nova: a guest without user data has no such document.
    return {name: instance.user_data} if instance.user_data else {}
