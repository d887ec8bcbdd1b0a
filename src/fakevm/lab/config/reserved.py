"""The options that FakeVM itself must set, so that a lab holds together, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Reserved(NamedTuple):
    """Why an option is not the lab file's, and what to do instead (may be empty)."""

    why: str
    hint: str = ""


_BROKER = Reserved("the lab has a broker of its own, with a password that is made for it")
_HOST = Reserved("FakeVM and Neutron know a host's agents by the lab's name for it", "Name hosts in 'hosts'.")
_FOLDER = Reserved("each host has this folder to itself, at this place")
_DATABASE = Reserved("the lab has a database of its own, with a password that is made for it")
_EVENTS = Reserved("FakeVM takes Nova's place, and receives what Neutron tells it there")
_KEYSTONE = Reserved("a lab's Keystone is its own, with passwords that are made for it", "Say 'auth: keystone'.")
_SOCKET = Reserved("the API's socket is made by `lab up`", "Another port: fakevm lab up --api-port PORT.")
_METADATA = Reserved("the lab has a metadata service of its own, with a secret that is made for it")
_ROOT = Reserved("programs in a lab are root already")
_SWITCH = Reserved("each host has a switch of its own, with this name and this socket")
_OVN = Reserved("the lab has OVN's databases of its own")
_LOG = Reserved("FakeVM keeps what programs write: fakevm lab logs")

RESERVED: Mapping[tuple[str, str], Reserved] = {
    ("DEFAULT", "transport_url"): _BROKER,
    ("DEFAULT", "host"): _HOST,
    ("DEFAULT", "state_path"): _FOLDER,
    ("oslo_concurrency", "lock_path"): _FOLDER,
    ("DEFAULT", "core_plugin"): Reserved("a lab's Neutron is ML2's"),
    ("DEFAULT", "auth_strategy"): Reserved(
        "FakeVM's commands show Neutron what it asks for", "Say 'auth' of the lab: token, none or keystone."
    ),
    **{
        ("keystone_authtoken", name): _KEYSTONE
        for name in ("auth_type", "auth_url", "www_authenticate_uri", "username", "password", "project_name")
    },
    ("DEFAULT", "bind_host"): _SOCKET,
    ("DEFAULT", "bind_port"): _SOCKET,
    ("database", "connection"): _DATABASE,
    ("database", "slave_connection"): _DATABASE,
    ("nova", "auth_type"): _EVENTS,
    ("nova", "endpoint"): _EVENTS,
    ("nova", "token"): _EVENTS,
    ("nova", "endpoint_override"): _EVENTS,
    ("oslo_policy", "policy_file"): Reserved(
        "bindings need a rule that FakeVM writes there", "Rules of your own: a folder, [oslo_policy] policy_dirs"
    ),
    ("DEFAULT", "nova_metadata_host"): _METADATA,
    ("DEFAULT", "nova_metadata_port"): _METADATA,
    ("DEFAULT", "metadata_proxy_shared_secret"): _METADATA,
    ("DEFAULT", "dnsmasq_config_file"): Reserved("dnsmasq must be told to stay root, which is all that a lab may have"),
    ("DEFAULT", "agent_mode"): Reserved("the switches of all hosts are set up for it", "Say 'l3_mode' of the host."),
    ("agent", "root_helper"): _ROOT,
    ("agent", "root_helper_daemon"): _ROOT,
    **{
        (context, "helper_command"): _ROOT
        for context in (
            "privsep", "privsep_dhcp_release", "privsep_ovs_vsctl", "privsep_namespace", "privsep_conntrack",
            "privsep_link",
        )
    },
    ("ovs", "ovsdb_connection"): _SWITCH,
    ("ovs", "integration_bridge"): _SWITCH,
    ("DEFAULT", "ovs_integration_bridge"): _SWITCH,
    ("ovs", "local_ip"): Reserved("the host's address for tunnels is the lab's"),
    ("vxlan", "local_ip"): Reserved("the host's address for tunnels is the lab's"),
    ("ovs", "datapath_type"): Reserved("the hosts' bridges are made with it", "Say 'datapath' of the lab."),
    ("ovn", "ovn_nb_connection"): _OVN,
    ("ovn", "ovn_sb_connection"): _OVN,
    **{
        ("DEFAULT", name): _LOG
        for name in ("log_file", "log_dir", "log_config_append", "use_syslog", "use_journal", "use_stderr")
    },
}  # fmt: skip


def find(section: str, name: str) -> Reserved | None:
    """Tell whether an option, by its present name, is one that FakeVM must set."""
    return RESERVED.get((section if section == "DEFAULT" else section.lower(), name))
