"""What a lab has in Neutron of what its file wants: found by name and mark, made when it is not there."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

from fakevm.control.neutron import Neutron
from fakevm.control.neutron import Resource as Seen
from fakevm.errors import NotFound

from .resource import KINDS, Kind, KindName, Ref, Resource, resolved
from .security import rule_words

# What we make is marked with this tag, and nothing without it is touched.
TAG = "fakevm"
# Without Keystone a request has no project: all resources of lab files are in this one.
PROJECT = "fakevm"
INTERFACE_OWNERS = (
    "network:router_interface",
    "network:ha_router_replicated_interface",
    "network:router_interface_distributed",
)


class Store:
    """The resources of a lab in Neutron; many threads may make some at once."""

    def __init__(self, neutron: Neutron) -> None:
        self._neutron = neutron
        self._lock = threading.Lock()
        self.seen: dict[Ref, Seen] = {}
        """What is there, as Neutron tells it."""
        self.answers: dict[Ref, Seen] = {}
        """What Neutron answered when something was made or changed."""

    @property
    def ids(self) -> dict[Ref, str]:
        """The ids of what is there."""
        return {ref: str(seen["id"]) for ref, seen in list(self.seen.items()) if "id" in seen}

    def load(self) -> None:
        """Look at all that is there: what is marked, its parts, and the project's default security group."""
        self.seen = {}
        for name, kind in KINDS.items():
            if kind.label:
                found = self._marked(name, kind)
                by_ref = {Ref(name, str(seen[kind.label])): seen for seen in found}
                # All ids first: a group's rules may speak of another group.
                self.seen |= by_ref
                for ref, seen in by_ref.items():
                    self._remember(ref, seen)
        self._find_default_group()
        self._find_interfaces()

    def make(self, wanted: Resource) -> bool:
        """Make a resource and mark it; False when it is there already. Raises Refused, Unreachable."""
        if wanted.ref in self.seen:
            return False
        kind = KINDS[wanted.ref.kind]
        with self._lock:
            ids = self.ids
        if wanted.ref.kind == "port":
            self._find_default_group(wanted)
            ids = self.ids
        body = resolved(wanted.attributes, ids)
        if kind.label:
            body |= {kind.label: wanted.ref.name, "project_id": PROJECT}
        path = kind.path.format(parent=ids[wanted.parent] if wanted.parent else "")
        answer = self._neutron.send(kind.method, path, f"make {wanted.ref}", {kind.key: body} if kind.key else body)
        made = answer[kind.key] if kind.key else answer
        if kind.label:
            # Tags of a QoS policy are at /policies, though it is at /qos/policies.
            mark = f"/{kind.path.rpartition('/')[2]}/{made['id']}/tags"
            self._neutron.send("PUT", mark, f"mark {wanted.ref}", {"tags": [TAG]})
        self._remember(wanted.ref, made)
        self.answers[wanted.ref] = made
        return True

    def change(self, wanted: Resource, attributes: dict[str, Any]) -> None:
        """Change attributes of a resource that is there. Raises Refused, Unreachable."""
        kind, ids = KINDS[wanted.ref.kind], self.ids
        path = kind.path.format(parent=ids[wanted.parent] if wanted.parent else "")
        if wanted.ref.kind != "router routes":
            path = f"{path}/{ids[wanted.ref]}"
        body = {kind.key: resolved(attributes, ids)}
        self.answers[wanted.ref] = self._neutron.send("PUT", path, f"change {wanted.ref}", body)[kind.key]

    def delete(self, ref: Ref) -> None:
        """Delete a resource that is there, or a part of one. Raises Refused: it is in use."""
        seen = self.seen[ref]
        kind = KINDS[ref.kind]
        what = f"delete {ref}"
        if ref.kind == "router interface":
            path = f"/routers/{seen['router_id']}/remove_router_interface"
            self._neutron.send("PUT", path, what, {"subnet_id": seen["subnet_id"]})
        else:
            self._neutron.send("DELETE", f"{kind.path.format(parent=seen.get('parent', ''))}/{seen['id']}", what)
        with self._lock:
            del self.seen[ref]

    # -- within ----------------------------------------------------------------------------------------------

    def _marked(self, name: KindName, kind: Kind) -> list[Seen]:
        try:
            return self._neutron.collection(kind.path, f"list the lab's {name} resources", tags=TAG)
        except NotFound:
            # The lab's Neutron has no such extension: a backend may load other service plugins.
            return []

    def _remember(self, ref: Ref, seen: Seen) -> None:
        parts = dict(self._parts(ref, seen))
        with self._lock:
            self.seen |= {ref: seen, **parts}

    def _parts(self, ref: Ref, seen: Seen) -> Iterator[tuple[Ref, Seen]]:
        """Find the parts that Neutron tells with the whole."""
        if ref.kind == "QoS policy":
            for rule in seen["rules"]:
                yield Ref("bandwidth limit", f"{ref.name}: {rule.get('direction')}"), {**rule, "parent": seen["id"]}
        if ref.kind == "security group":
            for rule in seen["security_group_rules"]:
                words = rule_words(rule | {"remote_group_id": self._group_of(rule, ref, seen)})
                yield Ref("security group rule", f"{ref.name}: {words}"), rule
        if ref.kind == "router" and seen["routes"]:
            yield Ref("router routes", ref.name), {"routes": seen["routes"]}

    def _group_of(self, rule: Seen, ref: Ref, seen: Seen) -> Ref | None:
        """Name the group that a rule speaks of, as the lab file does."""
        wanted = rule["remote_group_id"]
        if not wanted:
            return None
        known = {id_: group for group, id_ in self.ids.items()} | {str(seen["id"]): ref}
        return known.get(wanted, Ref("security group", wanted))

    def _find_default_group(self, port: Resource | None = None) -> None:
        """Find the project's default group; Neutron makes it with the project's first network or port."""
        ref = Ref("security group", "default")
        if ref in self.seen or (port and ref not in port.attributes.get("security_groups", ())):
            return
        found = self._neutron.collection(
            "/security-groups", "find the default security group", name="default", project_id=PROJECT
        )
        for seen in found:
            self._remember(ref, seen)

    def _find_interfaces(self) -> None:
        routers = {id_: ref.name for ref, id_ in self.ids.items() if ref.kind == "router"}
        subnets = {id_: ref.name for ref, id_ in self.ids.items() if ref.kind == "subnet"}
        if not routers:
            return
        ports = self._neutron.collection("/ports", "list the routers' ports", device_owner=list(INTERFACE_OWNERS))
        for port in ports:
            for fixed in port["fixed_ips"]:
                router, subnet = routers.get(port["device_id"]), subnets.get(fixed["subnet_id"])
                if router and subnet:
                    seen = {"router_id": port["device_id"], "subnet_id": fixed["subnet_id"], "port_id": port["id"]}
                    self._remember(Ref("router interface", f"{router}-{subnet}"), seen)


def of_kind(resources: Iterable[Resource], *kinds: KindName) -> list[Resource]:
    """Choose the resources of some kinds."""
    return [resource for resource in resources if resource.ref.kind in kinds]
