"""Routers and floating IPs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from fakevm.model.feature import Feature
from fakevm.model.resource import NOTHING, Elsewhere, Kind, Naming, Ref, Resource, Seen

from . import conntrack_helper
from .conntrack_helper import HELPER, ConntrackHelperFile
from .network import RouteFile
from .port_choice import PortChoice
from .port_forwarding import FORWARDING, SERVICE, PortForwarding
from .reference import ExternalNetworkRef, QosPolicyRef, SubnetRef
from .resource import ResourceFile
from .word import Address, ResourceName, WordValue, Zone, require_unique


def _own(name: str, router: Seen, _naming: Naming) -> Iterator[tuple[Ref, Seen]]:
    """Find what the router itself tells of: its own routes, and whether it may proxy."""
    if router["routes"]:
        yield Ref(ROUTES.name, name), {"routes": router["routes"]}
    if router.get("enable_ndp_proxy"):
        yield Ref(PROXYING.name, name), {"enable_ndp_proxy": True}


def _interfaces(ports: Iterable[Seen], names: Mapping[str, str]) -> Iterator[tuple[str, Seen]]:
    for port in ports:
        for fixed in port["fixed_ips"]:
            router, subnet = names.get(port["device_id"]), names.get(fixed["subnet_id"])
            if router and subnet:
                seen = {"parent": port["device_id"], "subnet_id": fixed["subnet_id"], "port_id": port["id"]}
                yield f"{router}-{subnet}", seen


ROUTER = Kind(
    "router",
    "routers",
    "/routers",
    "router",
    parts=_own,
    changeable={"external_gateway_info": {}},
    cleared={"external_gateway_info": ("qos_policy_id",)},
    compared=("external_gateway_info", "ha", "distributed", "admin_state_up", "availability_zone_hints"),
)
INTERFACE = Kind(
    "router interface",
    "router interfaces",
    "/routers/{parent}/add_router_interface",
    "",
    label="",
    method="PUT",
    part_of="router",
    elsewhere=Elsewhere(
        "/ports",
        {
            "device_owner": (
                "network:router_interface",
                "network:ha_router_replicated_interface",
                "network:router_interface_distributed",
            )
        },
        _interfaces,
    ),
    removed_by=("/routers/{parent}/remove_router_interface", "subnet_id"),
    one_by_one=True,
)
# A router's own: their next hops must be on interfaces that are there already.
ROUTES = Kind(
    "router routes",
    "routes",
    "/routers/{parent}",
    "router",
    label="",
    method="PUT",
    part_of="router",
    after=("router interface",),
    changeable={"routes": []},
    emptied={"routes": []},
)
# Neutron takes proxies of a router that may; with its gateway gone it may not.
PROXYING = Kind(
    "NDP proxying",
    "routers that proxy",
    "/routers/{parent}",
    "router",
    label="",
    method="PUT",
    part_of="router",
    emptied={"enable_ndp_proxy": False},
)
FLOATING_IP = Kind(
    "floating IP",
    "floating IPs",
    "/floatingips",
    "floatingip",
    # It has no name.
    label="description",
    after=("router", "router interface"),
    # One that loses its port is made anew: what it is to have then waits for that.
    changeable={"port_id": NOTHING, "fixed_ip_address": None, "qos_policy_id": None},
    # L3_NAT_dbonly_mixin._check_and_get_fip_assoc (29.0.0).
    beside={"fixed_ip_address": "port_id"},
    exclusive=lambda wanted: (
        (wanted["floating_network_id"], wanted["port_id"], wanted.get("fixed_ip_address"))
        if wanted.get("port_id")
        else None
    ),
    compared=("floating_ip_address", "port_id", "fixed_ip_address", "qos_policy_id"),
)


class RouterInterface(WordValue):
    """A router's leg in a subnet; without ``address`` it is the subnet's gateway. As one word: the subnet."""

    word_field: ClassVar[str] = "subnet"

    subnet: SubnetRef = Field(description="The subnet that the router is in.")
    address: Address | None = Field(
        default=None, description="The router's address there, where it is not the subnet's gateway."
    )


class ExternalGateway(WordValue):
    """A router's way out. As one word: the external network."""

    word_field: ClassVar[str] = "network"

    network: ExternalNetworkRef = Field(description="The external network.")
    addresses: tuple[Address, ...] = Field(
        default=(), description="The addresses to ask for; by default Neutron's choice."
    )
    snat: bool = Field(
        default=True, description="Whether guests without a floating IP get out, by the router's address."
    )
    qos_policy: QosPolicyRef | None = Field(
        default=None, description="Of what goes out and comes back by the router's address."
    )


class RouterFile(ResourceFile):
    """A router. ``ha``: one of several agents is active (keepalived); ``distributed``: a part on every compute host."""

    kinds: ClassVar[tuple[Kind, ...]] = (ROUTER, INTERFACE, ROUTES, HELPER, PROXYING)
    features: ClassVar[tuple[Feature, ...]] = ("routers",)

    interfaces: tuple[RouterInterface, ...] = Field(
        default=(), description="A list of `subnet`, and `address` where it is not the subnet's gateway."
    )
    external_gateway: ExternalGateway | None = Field(
        default=None,
        description="`network` (an external one); `addresses`: asked for; `snat`: `true`; `qos_policy`: of what "
        "goes out and comes back by the router's address.",
    )
    ha: bool = Field(default=False, description="Highly available: keepalived on each host with an L3 agent.")
    distributed: bool = Field(
        default=False,
        description="Needs hosts with `l3_mode` `dvr` and `dvr_snat`; where no agents route, all routers are.",
    )
    zones: tuple[Zone, ...] = Field(
        default=(), description="The availability zones whose hosts route, or lead out; by default any."
    )
    routes: tuple[RouteFile, ...] = Field(default=(), description="`[{destination: CIDR, nexthop: ADDRESS}]`.")
    conntrack_helpers: tuple[ConntrackHelperFile, ...] = Field(
        default=(),
        description="Protocols of which it follows the connections that they make besides: a list of `helper` (`ftp`), "
        "`port` (21), `protocol`.",
    )

    @field_validator("conntrack_helpers")
    @classmethod
    def _each_port_once(cls, helpers: tuple[ConntrackHelperFile, ...]) -> tuple[ConntrackHelperFile, ...]:
        require_unique(tuple(one.words for one in helpers), "the helper")
        return helpers

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the router with its way out, its interfaces, its own routes, and its helpers."""
        router = Ref(ROUTER.name, name)
        proxying = any(proxy.router == name for proxy in lab.ndp_proxies.values())
        yield Resource(router, self._attributes())
        if proxying:
            yield Resource(Ref(PROXYING.name, name), {"enable_ndp_proxy": True}, parent=router)
        yield from (helper.described(router) for helper in self.conntrack_helpers)
        network_of = {subnet: network for network, file in lab.networks.items() for subnet in file.subnets}
        for interface in self.interfaces:
            leg, subnet = f"{name}-{interface.subnet}", Ref("subnet", interface.subnet)
            attributes: dict[str, Any] = {"subnet_id": subnet}
            if interface.address:
                # Not the subnet's gateway: a port of its own.
                fixed = {"subnet_id": subnet, "ip_address": interface.address}
                network = Ref("network", network_of[interface.subnet])
                yield Resource(Ref("port", leg), {"network_id": network, "fixed_ips": [fixed]})
                attributes = {"port_id": Ref("port", leg)}
            yield Resource(Ref(INTERFACE.name, leg), attributes, parent=router)
        if self.routes:
            yield Resource(Ref(ROUTES.name, name), {"routes": [r.model_dump() for r in self.routes]}, parent=router)

    @property
    def services(self) -> tuple[str, ...]:
        """See ResourceFile."""
        qos = self.external_gateway and self.external_gateway.qos_policy
        return (*(("router_qos",) if qos else ()), *((conntrack_helper.SERVICE,) if self.conntrack_helpers else ()))

    def without(self, feature: Feature) -> tuple[RouterFile, tuple[str, ...]]:
        """See ResourceFile."""
        if feature == "conntrack-helpers" and self.conntrack_helpers:
            return self.model_copy(update={"conntrack_helpers": ()}), (HELPER.plural,)
        gateway = self.external_gateway
        if feature != "qos-of-routers" or not gateway or not gateway.qos_policy:
            return self, ()
        plain = gateway.model_copy(update={"qos_policy": None})
        return self.model_copy(update={"external_gateway": plain}), ("QoS policy",)

    def _attributes(self) -> dict[str, Any]:
        # Said only when wished for: not every backend knows these words.
        attributes: dict[str, Any] = {
            word: True for word, wish in (("ha", self.ha), ("distributed", self.distributed)) if wish
        }
        if self.zones:
            attributes["availability_zone_hints"] = list(self.zones)
        if gateway := self.external_gateway:
            attributes["external_gateway_info"] = {
                "network_id": Ref("network", gateway.network),
                "enable_snat": gateway.snat,
                **({"qos_policy_id": Ref("QoS policy", gateway.qos_policy)} if gateway.qos_policy else {}),
                **({"external_fixed_ips": [{"ip_address": a} for a in gateway.addresses]} if gateway.addresses else {}),
            }
        return attributes


class FloatingIpFile(ResourceFile, PortChoice):
    """A floating IP. ``network``: the external one that it is of; what is not said of its port is nobody's."""

    kinds: ClassVar[tuple[Kind, ...]] = (FLOATING_IP, FORWARDING)
    features: ClassVar[tuple[Feature, ...]] = ("routers", "floating-ips")

    network: ExternalNetworkRef = Field(description="The external network.")
    address: Address | None = Field(default=None, description="The address to ask for.")
    qos_policy: QosPolicyRef | None = Field(default=None, description="Its QoS policy.")
    port_forwardings: tuple[PortForwarding, ...] = Field(
        default=(),
        description="Of one that has no guest and no port: a list of `ports`, `protocol` (`tcp`), `guest`, `port`, "
        "`fixed_ip`, `to_ports`.",
    )

    @model_validator(mode="after")
    def _either_way(self) -> FloatingIpFile:
        if self.port_forwardings and self.is_some:
            raise ValueError("a floating IP has a guest or port, or port_forwardings, not both")
        return self

    @property
    def services(self) -> tuple[str, ...]:
        """See ResourceFile."""
        return (*(("router_qos",) if self.qos_policy else ()), *((SERVICE,) if self.port_forwardings else ()))

    def without(self, feature: Feature) -> tuple[FloatingIpFile, tuple[str, ...]]:
        """See ResourceFile."""
        if feature != "qos-of-routers" or not self.qos_policy:
            return self, ()
        return self.model_copy(update={"qos_policy": None}), ("QoS policy",)

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the floating IP with its port forwardings."""
        attributes: dict[str, Any] = {"floating_network_id": Ref("network", self.network)}
        if port := self.port_name(lab):
            attributes["port_id"] = Ref("port", port)
        if self.fixed_ip:
            attributes["fixed_ip_address"] = self.fixed_ip
        if self.address:
            attributes["floating_ip_address"] = self.address
        if self.qos_policy:
            attributes["qos_policy_id"] = Ref("QoS policy", self.qos_policy)
        own = Ref(FLOATING_IP.name, name)
        yield Resource(own, attributes)
        yield from (forwarding.described(own, lab) for forwarding in self.port_forwardings)


__all__ = ["ExternalGateway", "FloatingIpFile", "ResourceName", "RouterFile", "RouterInterface"]
