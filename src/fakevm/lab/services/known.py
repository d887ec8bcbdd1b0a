"""The services that FakeVM knows. Each was seen to work in a lab, by a check of what it does to packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fakevm.backend.base import Backend
from fakevm.model.labfile.service import ServiceFile


class Known(NamedTuple):
    """A service, and what it needs of the backend: an L2 agent that takes extensions, routers of agents (L3)."""

    file: ServiceFile
    l2_agents: bool = False
    l3_agents: bool = False

    def lacking(self, backend: Backend) -> str:
        """Say what a backend lacks for it; empty when it can have it."""
        if self.l3_agents and not backend.routed_by_agents:
            return "it is done by L3 agents"
        if self.l2_agents and not backend.l2_agent:
            return "it is done by L2 agents"
        return ""


def _known(*services: Known) -> Mapping[str, Known]:
    return {service.file.name: service for service in services}


KNOWN = _known(
    Known(
        ServiceFile(name="port_forwarding", service_plugins=("port_forwarding",), l3_extensions=("port_forwarding",))
    ),
    Known(
        ServiceFile(
            name="dns",
            extension_drivers=("dns_domain_ports",),
            # With Neutron's default nothing is called as its port says (29.0.0, DNSExtensionDriver).
            config={"server": {"DEFAULT": {"dns_domain": "lab.test."}}},
        )
    ),
    Known(ServiceFile(name="network_segment_range", service_plugins=("network_segment_range",))),
    Known(
        ServiceFile(
            name="log",
            service_plugins=("log",),
            l2_extensions=("log",),
            # Else it is written to a syslog, which no host has. Each host has this folder to itself.
            config={"ovs_agent": {"network_log": {"local_output_log_base": "/run/neutron/network.log"}}},
        )
    ),
    Known(
        ServiceFile(
            name="taas",
            service_plugins=("taas",),
            l2_extensions=("taas",),
            providers=("TAAS:TAAS:neutron_taas.services.taas.service_drivers.taas_rpc.TaasRpcDriver:default",),
            packages=("tap-as-a-service",),
        ),
        l2_agents=True,
    ),
)
