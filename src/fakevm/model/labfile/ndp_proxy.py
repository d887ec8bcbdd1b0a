"""NDP proxies: a router answers on its external network for IPv6 addresses of guests, so that nobody needs a route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, model_validator

from fakevm.model.feature import Feature
from fakevm.model.resource import Kind, Ref, Resource

from .port_choice import PortChoice
from .reference import RefersTo
from .resource import ResourceFile

SERVICE = "ndp_proxy"

PROXY = Kind(
    "NDP proxy",
    "NDP proxies",
    "/ndp_proxies",
    "ndp_proxy",
    # It has no tags (NDPProxy, neutron/db/models/ndp_proxy.py, 29.0.0).
    mark="description",
    extension="l3-ndp-proxy",
    # The router must be prepared by its agent: lab/topology/proxying.py.
    for_running_guests=True,
    # The port's address must be in a subnet that the router is in.
    after=("router interface",),
    compared=("router_id", "port_id", "ip_address"),
)

RouterRef = Annotated[str, AfterValidator(RefersTo("router"))]


class NdpProxyFile(ResourceFile, PortChoice):
    """An NDP proxy: which router answers for which guest's, or port's, IPv6 address."""

    kinds: ClassVar[tuple[Kind, ...]] = (PROXY,)
    features: ClassVar[tuple[Feature, ...]] = ("ndp-proxies",)

    router: RouterRef = Field(description="The router that answers.")

    @model_validator(mode="after")
    def _is_some_port(self) -> NdpProxyFile:
        if not self.is_some:
            raise ValueError("give the guest, or the port, for whose address the router answers")
        return self

    @property
    def services(self) -> tuple[str, ...]:
        """See ResourceFile."""
        return (SERVICE,)

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the proxy; without an address Neutron takes one that the router reaches."""
        attributes: dict[str, Any] = {
            "router_id": Ref("router", self.router),
            "port_id": Ref("port", self.port_name(lab)),
        }
        yield Resource(Ref(PROXY.name, name), attributes | ({"ip_address": self.fixed_ip} if self.fixed_ip else {}))
