"""The services that FakeVM knows. Each that the docs list was seen to work, by a check of what it does to packets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from fakevm.backend.base import Backend, Ini
from fakevm.model.labfile.service import ServiceFile
from fakevm.model.plan import HostPlan, major

_FWAAS = "neutron_fwaas.services.firewall.service_drivers"


class Known(NamedTuple):
    """A service, and what it needs of the backend: an L2 agent that takes extensions, routers of agents (L3).

    ``since`` is the first version of Neutron that has it. One that is all ``drivers`` only those backends have that say
    of what it consists with them (``Backend.services``). ``host`` gives options that are another on each host, to the
    agents that the service brings.
    """

    file: ServiceFile
    l2_agents: bool = False
    l3_agents: bool = False
    drivers: bool = False
    since: int = 0
    host: Callable[[HostPlan], Ini] | None = None

    def made_of(self, backend: Backend) -> ServiceFile:
        """Give all that it consists of with a backend."""
        return backend.services.get(self.file.name, self.file)

    def lacking(self, backend: Backend, version: str) -> str:
        """Say what a backend, or a version of Neutron, lacks for it; empty when it can be had."""
        if major(version) < self.since:
            return f"Neutron has it from {self.since}.0 on"
        if self.file.name in backend.services:
            return ""
        if self.drivers:
            return "Neutron has no driver for that"
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
            # With Neutron's default nothing is called as its port says (29.0.0, DNSExtensionDriver). DHCP agents tell
            # guests of their own option.
            config={word: {"DEFAULT": {"dns_domain": "lab.test"}} for word in ("server", "dhcp_agent")},
        )
    ),
    # QoS policies of floating IPs, and of routers' own addresses.
    Known(ServiceFile(name="router_qos", l3_extensions=("fip_qos", "gateway_ip_qos"))),
    Known(ServiceFile(name="network_segment_range", service_plugins=("network_segment_range",))),
    Known(ServiceFile(name="segments", service_plugins=("segments",))),
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
            name="local_ip",
            service_plugins=("local_ip",),
            l2_extensions=("local_ip",),
            # With the firewall openvswitch the agent ends without it (29.0.0, LocalIPAgentExtension.initialize).
            config={"ovs_agent": {"LOCAL_IP": {"static_nat": True}}},
        ),
        l2_agents=True,
    ),
    Known(
        ServiceFile(
            name="conntrack_helper", service_plugins=("conntrack_helper",), l3_extensions=("conntrack_helper",)
        ),
        l3_agents=True,
    ),
    Known(
        ServiceFile(name="ndp_proxy", service_plugins=("ndp_proxy",), l3_extensions=("ndp_proxy",)),
        l3_agents=True,
    ),
    Known(
        ServiceFile(
            name="metering",
            service_plugins=("metering",),
            agents={"neutron-metering-agent": "l3"},
            config={
                "metering_agent": {
                    "DEFAULT": {
                        "driver": "iptables",
                        # It hears of routers by a task that is due once a minute, and looked at so often (seconds).
                        "periodic_interval": 5,
                        "measure_interval": 5,
                        "report_interval": 10,
                    },
                    # What it has counted is in its log: nobody else in a lab would hear of it.
                    "oslo_messaging_notifications": {"driver": "log"},
                }
            },
        ),
        l3_agents=True,
    ),
    Known(
        ServiceFile(
            name="fwaas",
            service_plugins=("firewall_v2",),
            l3_extensions=("fwaas_v2",),
            providers=(f"FIREWALL_V2:fwaas_db:{_FWAAS}.agents.agents.FirewallAgentDriver:default",),
            packages=("neutron-fwaas",),
            config={"l3_agent": {"fwaas": {"enabled": True, "driver": "iptables_v2"}}},
        ),
        l3_agents=True,
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
    Known(
        ServiceFile(
            name="sfc",
            service_plugins=("flow_classifier", "sfc"),
            l2_extensions=("sfc",),
            packages=("networking-sfc",),
            config={"server": {"sfc": {"drivers": "ovs"}, "flowclassifier": {"drivers": "ovs"}}},
        ),
        l2_agents=True,
    ),
    Known(
        ServiceFile(
            name="bgp",
            service_plugins=("bgp",),
            agents={"neutron-bgp-dragent": ("l3", "gateway")},
            packages=("neutron-dynamic-routing",),
            config={
                "bgp_dragent": {
                    "bgp": {
                        "bgp_speaker_driver": "neutron_dynamic_routing.services.bgp.agent.driver.os_ken.driver"
                        ".OsKenBgpDriver"
                    }
                }
            },
        ),
        host=lambda host: {"bgp": {"bgp_router_id": host.management_address}},
    ),
    Known(ServiceFile(name="pvlan", service_plugins=("pvlan",)), drivers=True, since=29),
    Known(ServiceFile(name="uplink_status_propagation", extension_drivers=("uplink_status_propagation",))),
    Known(
        ServiceFile(
            name="uplink_status_propagation_updatable", extension_drivers=("uplink_status_propagation_updatable",)
        ),
        since=26,
    ),
    Known(ServiceFile(name="tag_ports_during_bulk_creation", extension_drivers=("tag_ports_during_bulk_creation",))),
    Known(ServiceFile(name="port_trusted", extension_drivers=("port_trusted",))),
)

#: Several services by one name: each backend has those of them that it can have. ``devstack`` is what the jobs that
#: test Neutron in DevStack switch on (neutron-tempest-plugin-openvswitch and -ovn, zuul.d of neutron-tempest-plugin).
SETS: Mapping[str, tuple[str, ...]] = {
    "devstack": (
        "dns",
        "log",
        "segments",
        "uplink_status_propagation",
        "uplink_status_propagation_updatable",
        "network_segment_range",
        "port_forwarding",
        "conntrack_helper",
        "tag_ports_during_bulk_creation",
        "ndp_proxy",
        "port_trusted",
        "local_ip",
        "metering",
        "pvlan",
    )
}
