"""Tempest's configuration for a lab: switched off is what the lab's Neutron does not say that it has, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fakevm.lab import files, keystone

# Services that no lab has.
_NEVER = ("cinder", "swift", "horizon")
_TUNNELS = ("vxlan", "geneve")
# Two networks of these MTUs that one router joins (scenario/test_mtu.py); the plugin's default is of VXLAN's.
_MTUS = ((1200, "10.100.0.0/16"), (1300, "10.200.0.0/16"))


class Server(NamedTuple):
    """What the compute API of a lab offers: an image, its user, and two flavors, by their ids; on how many hosts."""

    image: str
    user: str
    flavors: tuple[str, str]
    hosts: int


class Facts(NamedTuple):
    """What is to be known of a lab: its Neutron's answers, and its programs' options.

    ``admin`` are settings as clouds.yaml has them, ``external`` the id and the name of an external network, if there is
    one, ``types`` the types of networks, ``physical`` the physical networks with VLANs. What several hosts have each in
    another way (``zone``, ``l3_mode``, ``firewall``) is empty.
    """

    admin: Mapping[str, Any]
    extensions: Sequence[str]
    external: tuple[str, str] | None
    types: Sequence[str]
    physical: Sequence[str]
    zone: str
    l3_mode: str
    firewall: str
    domain: str
    nested_snat: bool
    igmp_snooping: bool
    server: Server | None = None


def text(facts: Facts) -> str:
    """Write ``tempest.conf``."""
    return files.ini({section: options for section, options in _sections(facts).items() if options})


def _sections(facts: Facts) -> dict[str, dict[str, object]]:
    admin = facts.admin
    return {
        # Tempest writes the ids of its requests then, by which the server's lines about them are found; no secrets.
        "DEFAULT": {"debug": True},
        "auth": {
            "admin_username": admin["username"],
            "admin_password": admin["password"],
            "admin_project_name": admin["project_name"],
            "admin_domain_name": "Default",
            "use_dynamic_credentials": True,
            "tempest_roles": "member",
        },
        "identity": {"uri_v3": admin["auth_url"], "region": admin.get("region_name", keystone.REGION)},
        "service_available": {
            "neutron": True,
            "nova": facts.server is not None,
            "glance": facts.server is not None,
            **dict.fromkeys(_NEVER, False),
        },
        "network": _network(facts),
        "network-feature-enabled": {
            "api_extensions": sorted(facts.extensions),
            "ipv6_subnet_attributes": True,
            "port_security": "port-security" in facts.extensions,
            "floating_ips": "router" in facts.extensions,
        },
        "neutron_plugin_options": _plugin(facts),
        "compute": _compute(facts),
        "compute-feature-enabled": _compute_features(facts),
        "validation": _validation(facts),
    }


def _network(facts: Facts) -> dict[str, object]:
    if facts.external is None:
        return {}
    identity, name = facts.external
    return {"public_network_id": identity, "floating_network_name": name}


def _plugin(facts: Facts) -> dict[str, object]:
    tunnel = next((name for name in _TUNNELS if name in facts.types), "")
    networks = [f'{{"provider:network_type":"{tunnel}","mtu":{mtu},"cidr":"{cidr}"}}' for mtu, cidr in _MTUS]
    found: dict[str, object] = {
        "available_type_drivers": facts.types,
        "provider_vlans": facts.physical,
        "provider_net_base_segm_id": 1,
        "agent_availability_zone": facts.zone,
        "l3_agent_mode": facts.l3_mode,
        "firewall_driver": facts.firewall,
        "dns_domain": facts.domain,
        "snat_rules_apply_to_nested_networks": facts.nested_snat,
        "is_igmp_snooping_enabled": facts.igmp_snooping,
        "test_mtu_networks": f"[{','.join(networks)}]" if tunnel else "",
        # Guests of a lab have the machine's programs: none of the tests that want more than CirrOS has is left out.
        "default_image_is_advanced": facts.server is not None,
    }
    return {name: value for name, value in found.items() if value not in ("", [], ())}


def _compute(facts: Facts) -> dict[str, object]:
    server = facts.server
    if server is None:
        return {}
    first, second = server.flavors
    return {
        "image_ref": server.image,
        "image_ref_alt": server.image,
        "flavor_ref": first,
        "flavor_ref_alt": second,
        "min_compute_nodes": server.hosts,
        # Tests that need one ask for it.
        "min_microversion": "2.1",
        "max_microversion": "latest",
    }


def _compute_features(facts: Facts) -> dict[str, object]:
    if facts.server is None:
        return {}
    off = ("config_drive", "rescue", "vnc_console", "shelve", "snapshot", "disk_config", "attach_encrypted_volume")
    return {"live_migration": True, "cold_migration": True, "console_output": True, **dict.fromkeys(off, False)}


def _validation(facts: Facts) -> dict[str, object]:
    if facts.server is None:
        return {}
    return {
        "run_validation": True,
        "image_ssh_user": facts.server.user,
        "connect_method": "floating",
        "network_for_ssh": facts.external[1] if facts.external else "",
        # Guests of a lab boot in a second.
        "ping_timeout": 60,
        "ssh_timeout": 120,
    }
