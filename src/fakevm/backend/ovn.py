"""ML2/OVN: one northbound and one southbound database and ovn-northd in the lab, ovn-controller on every host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fakevm import names
from fakevm.errors import InvalidInput
from fakevm.model import config
from fakevm.model.feature import Feature
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.host import HostFile
from fakevm.model.labfile.service import ServiceFile
from fakevm.model.plan import HostPlan, LabPlan, major
from fakevm.model.program import MANY_FILES, Program
from fakevm.model.remark import Remark
from fakevm.ovs import service

from . import ovn_gaps
from .base import LAST_TUNNEL, Backend, Ini, Requirement, vlan_ranges

# OVN's own folder: its tools find their databases there by themselves.
HOME = "/run/ovn"
SOUTHBOUND_PORT = 6642
_FWAAS = ServiceFile(
    name="fwaas",
    service_plugins=("firewall_v2",),
    providers=(
        "FIREWALL_V2:fwaas_db:neutron_fwaas.services.firewall.service_drivers.ovn.firewall_l3_driver"
        ".OVNFwaasDriver:default",
    ),
    packages=("neutron-fwaas",),
)
_NO_AGENTS = "L3 agents do that, and OVN routes without them"
# What guests ask for metadata.
METADATA = "169.254.169.254"


class OvnBackend(Backend):
    """Neutron's other reference backend: OVN wires, routes, filters, and answers DHCP itself."""

    programs = ("ovn-nb", "ovn-sb", "ovn-northd", "neutron-ovn-maintenance-worker")
    requirements = (Requirement("ovn-northd", "ovn-central"), Requirement("ovn-controller", "ovn-host"))
    default_hosts = {"compute1": HostFile(), "compute2": HostFile()}
    role_agents = {"metadata": "neutron-ovn-agent"}
    idle_roles = {"dhcp": "every host's ovn-controller answers DHCP"}

    services = {service.name: service for service in (_FWAAS, ServiceFile(name="pvlan", service_plugins=("pvlan",)))}
    firewalls = ("openvswitch",)
    group_driver = "ovn"
    nics = ("veth", "plain")
    host_memory = 40
    packet_log = "cat /run/fakevm/hosts/$(hostname)/log/ovn-controller.log 2>/dev/null; true"
    server_imports = (
        "neutron.plugins.ml2.drivers.ovn.mech_driver.mech_driver",
        "neutron.plugins.ml2.drivers.type_geneve",
        "neutron.services.ovn_l3.plugin",
        "neutron.services.ovn_l3.service_providers.ovn",
    )

    def runs_on(self, version: str) -> bool:
        """See Backend; in 2024.2 the API's threads are eventlet's, which under uWSGI run only while there is a request.

        So what OVN says would wait for the next one: a port was ACTIVE after 6 to 32 s (25.2.3).
        """
        return major(version) >= 26

    @property
    def lacks(self) -> Mapping[Feature, str]:
        """See Backend."""
        return {
            "dns": "OVN answers only for names that ports have: say dns_name of one, or services: [dns]",
            "address-scopes": "OVN's routers lead from one scope to another",
            "zones": "every host answers DHCP and routes, and zones only say where routers lead out",
            "packet-rates": "Neutron's driver for OVN has no such rules",
            "local-ips": "Neutron has them for the L2 agents of Open vSwitch alone",
            "ndp-proxies": _NO_AGENTS,
            "conntrack-helpers": _NO_AGENTS,
            "metering": _NO_AGENTS,
        }

    def understood(self, lab: LabFile) -> LabFile:
        """See Backend; all its routers are distributed, and its API does not know the word (29.0.0)."""
        plain = {n: r.model_copy(update={"distributed": False}) for n, r in lab.routers.items() if r.distributed}
        return lab.model_copy(update={"routers": {**lab.routers, **plain}}) if plain else lab

    def gaps(self, lab: LabFile, *, kernel_datapath: bool) -> tuple[Remark | str, ...]:
        """See Backend."""
        return tuple(ovn_gaps.found(lab))

    def check(self, plan: LabPlan) -> None:
        """See Backend; with enable_security_group = false the driver still drops what no group permits (29.0.0)."""
        wrong = sorted({host.firewall for host in plan.hosts} - set(self.firewalls))
        if wrong:
            raise InvalidInput(
                f"the backend ovn always filters in Open vSwitch; the lab file asks for {', '.join(wrong)}",
                hint="Leave 'firewall' out. Ports without a filter: openstack network create --disable-port-security",
                at=("firewall",),
            )

    def ml2(self, plan: LabPlan) -> Ini:
        return {
            "ml2": {
                "mechanism_drivers": "ovn",
                "type_drivers": "flat,vlan,geneve",
                "tenant_network_types": "geneve,vlan",
                "extension_drivers": "port_security,qos",
            },
            "ml2_type_flat": {"flat_networks": "*"},
            "ml2_type_vlan": {"network_vlan_ranges": vlan_ranges(plan)},
            # The driver refuses less: OVN's own options need so many bytes.
            "ml2_type_geneve": {"vni_ranges": f"1:{LAST_TUNNEL}", "max_header_size": 38},
            "ovn": {
                "ovn_nb_connection": f"unix:{HOME}/ovnnb_db.sock",
                "ovn_sb_connection": f"unix:{HOME}/ovnsb_db.sock",
                # Every host has the bridges for it (bridge mappings).
                "enable_distributed_floating_ip": True,
                "ovn_metadata_enabled": _needs_metadata_ports(plan),
                "dns_servers": _resolvers(plan),
            },
        }

    def server_settings(self, plan: LabPlan) -> Ini:
        quiet = {
            # No agent of OVN's asks Neutron, or listens to it, by RPC. So it need tell nobody of each port, which is an
            # eighth of a request (https://docs.openstack.org/neutron/latest/admin/ovn/rpc.html).
            "rpc_workers": 0,
            # Who still reports is FakeVM's agent.
            "rpc_state_report_workers": 1,
            # Before 2026.1, DHCP agents are told all the same.
            "dhcp_agent_notification": False,
        }
        return {"DEFAULT": {"service_plugins": "ovn-router,qos,trunk", **quiet}}

    def lab_programs(self, plan: LabPlan) -> tuple[Program, ...]:
        maintenance = Program(
            name="neutron-ovn-maintenance-worker",
            command=(
                f"{plan.venv}/bin/neutron-ovn-maintenance-worker",
                *config.arguments(config.SERVER, config.of_server()),
            ),
            # It mends what grew old, of which a new lab has nothing.
            late=True,
            imports=self.server_imports,
        )
        return (
            _database("ovnnb_db", "ovn-nb"),
            _database("ovnsb_db", "ovn-sb", f"--remote=ptcp:{SOUTHBOUND_PORT}:{plan.management_address}"),
            Program(
                name="ovn-northd",
                before=(f"until [ -S {HOME}/ovnnb_db.sock ] && [ -S {HOME}/ovnsb_db.sock ]; do sleep 0.05; done",),
                command=("ovn-northd", "-vconsole:warn", "-vsyslog:off"),
                held=False,
            ),
            maintenance,
        )

    def agents(self, plan: LabPlan, host: HostPlan) -> tuple[str, ...]:
        return ("ovn-controller",)

    def agent_settings(self, plan: LabPlan, host: HostPlan) -> Ini:
        return {
            "agent": {"extensions": "metadata"},
            "ovs": {"ovsdb_connection": f"unix:{service.SOCKET}"},
            "ovn": {"ovn_sb_connection": f"tcp:{plan.management_address}:{SOUTHBOUND_PORT}"},
        }

    def host_files(self, plan: LabPlan, host: HostPlan) -> dict[str, str]:
        return {"switch.sh": _switch(plan, host)}

    def host_programs(self, plan: LabPlan, host: HostPlan) -> tuple[Program, ...]:
        controller = Program(
            name="ovn-controller",
            before=(f"mkdir -p {HOME}", f"sh /run/fakevm/hosts/{host.name}/switch.sh"),
            command=("ovn-controller", "-vconsole:info", "-vsyslog:off"),
            # It needs nothing of Neutron: the chassis is there when Neutron's server comes.
            held=False,
        )
        return (*service.programs(), controller)


def _database(name: str, schema: str, *options: str) -> Program:
    """Describe one of OVN's two databases, which live as long as the lab: in memory."""
    file = f"{HOME}/{name}.db"
    return Program(
        name=schema,
        before=(
            MANY_FILES,
            f"mkdir -p {HOME}",
            f"[ -e {file} ] || ovsdb-tool create {file} /usr/share/ovn/{schema}.ovsschema",
        ),
        command=(
            "ovsdb-server", file, f"--remote=punix:{HOME}/{name}.sock", *options,
            f"--unixctl={HOME}/{name}.ctl", "-vconsole:warn", "-vsyslog:off",
        ),
        held=False,
    )  # fmt: skip


def _needs_metadata_ports(plan: LabPlan) -> bool:
    """Tell whether networks need a port for the metadata agents.

    Where a subnet has no gateway, OVN's DHCP answers from that port's address; without either there is no DHCP
    (29.0.0, OVNClient._get_ovn_dhcpv4_opts). It is also by way of that port that guests ask for names.
    """
    subnets = [subnet for net in plan.networks.values() for subnet in net.subnets.values()]
    stranded = any(subnet.dhcp and subnet.gateway == "none" for subnet in subnets)
    return stranded or plan.has_names or any("metadata" in host.roles for host in plan.hosts)


def _resolvers(plan: LabPlan) -> str:
    """Give the addresses that guests are to ask for names, where their subnet tells none.

    Without these Neutron would name the machine's own, which no guest reaches (29.0.0, get_dhcp_dns_servers); the two
    for "any" stand for none. OVN answers questions to any address, once they are sent: the one for metadata is
    reached in every network, with a router or without, as DHCP gives a route to the port for it.
    """
    return f"{METADATA if plan.has_names else '0.0.0.0'},::"


def _ways_out(plan: LabPlan) -> Sequence[HostPlan]:
    """List the hosts that may be a router's way out; a router of which there is none leads nowhere (29.0.0).

    A file made for another backend has its network hosts in this place.
    """
    gateways = [host for host in plan.hosts if "gateway" in host.roles]
    network_hosts = [host for host in plan.hosts if "l3" in host.roles and host.l3_mode != "dvr"]
    return gateways or network_hosts or plan.hosts


def _switch(plan: LabPlan, host: HostPlan) -> str:
    """Give a host its bridges, then tell ovn-controller where everything is; it makes br-int itself."""
    bridges = {names.physical_bridge(net): names.physical_port(net) for net in plan.physical_networks_of(host)}
    script = service.bridges_script(
        bridges, kernel=plan.kernel_datapath, uplink="underlay", tunnel_address=f"{host.tunnel_address}/16"
    )
    mappings = ",".join(f"{net}:{names.physical_bridge(net)}" for net in plan.physical_networks_of(host))
    settings = {
        "ovn-remote": f"tcp:{plan.management_address}:{SOUTHBOUND_PORT}",
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": host.tunnel_address,
        "ovn-bridge-datapath-type": service.datapath(plan.kernel_datapath),
        "ovn-bridge-mappings": mappings,
        "ovn-cms-options": ",".join(_cms_options(plan, host)),
    }
    given = " ".join(f"external_ids:{key}={value}" for key, value in settings.items() if value)
    return f"{script}ovs-vsctl --timeout=30 set Open_vSwitch . {given}\n"


def _cms_options(plan: LabPlan, host: HostPlan) -> Iterator[str]:
    if host in _ways_out(plan):
        yield "enable-chassis-as-gw"
    if host.zone:
        # Several would have colons between them.
        yield f"availability-zones={host.zone}"
