"""Local IPs: an address of a network that leads, on each host, to a port that is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from fakevm.model.feature import Feature
from fakevm.model.resource import Elsewhere, Kind, Ref, Resource, Seen

from .port_choice import PortChoice
from .reference import NetworkRef
from .resource import ResourceFile
from .word import Address, require_unique

SERVICE = "local_ip"
_PATH = "/local_ips/{parent}/port_associations"


def _found(rows: Iterable[Seen], names: Mapping[str, str]) -> Iterator[tuple[str, Seen]]:
    for row in rows:
        name, port = names.get(row["parent"]), row["fixed_port_id"]
        if name:
            yield f"{name}: {names.get(port, port)}", row


LOCAL_IP = Kind(
    "local IP",
    "local IPs",
    "/local_ips",
    "local_ip",
    # It has no tags (LocalIP, neutron/db/models/local_ip.py, 29.0.0).
    mark="description",
    extension="local_ip",
    compared=("local_ip_address", "network_id", "ip_mode"),
)
ASSOCIATION = Kind(
    "local IP's port",
    "local IPs' ports",
    _PATH,
    "port_association",
    label="",
    part_of="local IP",
    extension="local_ip",
    # docs/findings/0012-a-local-ip-of-a-port-that-is-not-wired-yet.md
    for_running_guests=True,
    # It has no id.
    identified_by="fixed_port_id",
    # The local IP does not tell of them.
    elsewhere=Elsewhere(_PATH, {}, _found, told=False),
)


class LocalIpPort(PortChoice):
    """A port to which the address leads on the port's own host."""

    @model_validator(mode="after")
    def _is_some_port(self) -> LocalIpPort:
        if not self.is_some:
            raise ValueError("give the guest, or the port, that it leads to")
        return self


class LocalIpFile(ResourceFile):
    """A local IP, and the ports that it leads to, of which each host's guests get that on their host."""

    kinds: ClassVar[tuple[Kind, ...]] = (LOCAL_IP, ASSOCIATION)
    features: ClassVar[tuple[Feature, ...]] = ("local-ips",)

    network: NetworkRef = Field(description="The network whose guests reach it.")
    address: Address | None = Field(default=None, description="The address to ask for; by default Neutron's choice.")
    mode: Literal["translate", "passthrough"] = Field(
        default="translate",
        description="`translate`: packets come to the port's own address; `passthrough`: as they were sent.",
    )
    ports: tuple[LocalIpPort, ...] = Field(
        default=(), description="The ports that it leads to: a list of `guest`, `port`, `fixed_ip`."
    )

    @field_validator("ports")
    @classmethod
    def _each_once(cls, ports: tuple[LocalIpPort, ...]) -> tuple[LocalIpPort, ...]:
        require_unique(tuple(f"{one.guest or ''} {one.port or ''}".strip() for one in ports), "the port of")
        return ports

    @property
    def services(self) -> tuple[str, ...]:
        """See ResourceFile."""
        return (SERVICE,)

    def described(self, name: str, lab: Any) -> Iterator[Resource]:
        """Describe the local IP, then its ports."""
        own = Ref(LOCAL_IP.name, name)
        asked = {"local_ip_address": self.address} if self.address else {}
        yield Resource(own, {"network_id": Ref("network", self.network), "ip_mode": self.mode} | asked)
        for one in self.ports:
            port = one.port_name(lab)
            attributes = {"fixed_port_id": Ref("port", port)} | ({"fixed_ip": one.fixed_ip} if one.fixed_ip else {})
            yield Resource(Ref(ASSOCIATION.name, f"{name}: {port}"), attributes, parent=own)
