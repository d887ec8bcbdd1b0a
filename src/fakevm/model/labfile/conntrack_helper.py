"""Conntrack helpers of routers: protocols of which a router follows the connections that they make besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from fakevm.model.resource import Elsewhere, Kind, Ref, Resource, Seen
from fakevm.model.value import Value

from .word import PortNumber

SERVICE = "conntrack_helper"
_PATH = "/routers/{parent}/conntrack_helpers"

# [DEFAULT] allowed_conntrack_helpers as it is by default (neutron/conf/extensions/conntrack_helper.py, 29.0.0).
_PROTOCOLS: Mapping[str, tuple[str, ...]] = {
    "amanda": ("tcp",),
    "ftp": ("tcp",),
    "h323": ("udp", "tcp"),
    "irc": ("tcp",),
    "netbios-ns": ("udp",),
    "pptp": ("tcp",),
    "sane": ("tcp",),
    "sip": ("udp", "tcp"),
    "snmp": ("udp",),
    "tftp": ("udp",),
}
Helper = Literal["amanda", "ftp", "h323", "irc", "netbios-ns", "pptp", "sane", "sip", "snmp", "tftp"]


def _words(helper: Seen) -> str:
    return f"{helper['helper']} at {helper['protocol']} {helper['port']}"


HELPER = Kind(
    "conntrack helper",
    "conntrack helpers",
    _PATH,
    "conntrack_helper",
    label="",
    part_of="router",
    extension="l3-conntrack-helper",
    # With the router Neutron does not tell their ids (29.0.0, Plugin._extend_router_dict).
    elsewhere=Elsewhere(_PATH, {}, Elsewhere.called(_words)),
    goes_along=True,
)


class ConntrackHelperFile(Value):
    """A helper of the kernel's, for connections to a port."""

    helper: Helper = Field(description="Which of the kernel's: `ftp`, `tftp`, `sip`…")
    protocol: Literal["tcp", "udp"] | None = Field(
        default=None, description="`tcp` or `udp`; by default the helper's first."
    )
    port: PortNumber = Field(description="The port that is connected to: 21.")

    @model_validator(mode="after")
    def _knows_the_protocol(self) -> ConntrackHelperFile:
        known = _PROTOCOLS[self.helper]
        if self.protocol and self.protocol not in known:
            raise ValueError(f"the helper {self.helper} is for {' and '.join(known)}")
        return self

    @property
    def words(self) -> str:
        """Say all of it."""
        return _words(self._attributes)

    @property
    def _attributes(self) -> dict[str, Any]:
        return {"helper": self.helper, "protocol": self.protocol or _PROTOCOLS[self.helper][0], "port": self.port}

    def described(self, router: Ref) -> Resource:
        """Describe it to Neutron."""
        return Resource(Ref(HELPER.name, f"{router.name}: {self.words}"), self._attributes, parent=router)
