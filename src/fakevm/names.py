"""Names of devices, namespaces and bridges: all of them are made here.

``fakevm exec`` imports this module: what only some names need is imported where they are made.
"""

from __future__ import annotations

from urllib.parse import quote

# The backend of whoever names none, and the plugin of its hosts' agents.
DEFAULT_BACKEND = "ovs"
# What stands for them where there is no Neutron.
NO_BACKEND = "none"
# What the names of guests' network namespaces begin with.
GUEST_NAMESPACE = "fakevm-"
# os-vif and Neutron cut prefix + port id at 14 characters (vif_plug_ovs.ovs.OvsPlugin.NIC_NAME_LEN).
NIC_NAME_LENGTH = 14
# AF_PACKET's sockaddr_pkt keeps 13 bytes of a name: a DHCP client on a longer one fails with ENODEV.
PACKET_NAME_LENGTH = 13
# IFNAMSIZ - 1
DEVICE_NAME_LENGTH = 15
# NAME_MAX is 255; ids of Neutron's devices are at most as long, and what is quoted takes three times the room.
_LONGEST_FILE_NAME = 200


def guest_namespace(host: str, port_id: str) -> str:
    """Name the network namespace of the guest behind a port, as the original tool did."""
    return f"{GUEST_NAMESPACE}{host}-{port_id}"


def guest_file(guest_id: str) -> str:
    """Name the file of a guest's record."""
    return f"{guest_folder(guest_id)}.json"


def guest_folder(guest_id: str) -> str:
    """Name the folder of a guest's own files: its id comes from Neutron's users, and may be anything."""
    name = quote(guest_id, safe="").replace(".", "%2E")
    if len(name) > _LONGEST_FILE_NAME:
        import hashlib

        name = hashlib.sha256(guest_id.encode()).hexdigest()
    return name


def tap(port_id: str) -> str:
    """Name the host's end of the guest's device, as Nova does: in Open vSwitch, or in a Linux bridge."""
    return f"tap{port_id}"[:NIC_NAME_LENGTH]


def hybrid_bridge(port_id: str) -> str:
    """Name the Linux bridge of a hybrid VIF, as Nova does."""
    return f"qbr{port_id}"[:NIC_NAME_LENGTH]


def hybrid_bridge_port(port_id: str) -> str:
    """Name the end of os-vif's pair that is in the Linux bridge."""
    return f"qvb{port_id}"[:NIC_NAME_LENGTH]


def hybrid_switch_port(port_id: str) -> str:
    """Name the end of os-vif's pair that is in Open vSwitch."""
    return f"qvo{port_id}"[:NIC_NAME_LENGTH]


def network_bridge(network_id: str) -> str:
    """Name the Linux bridge of a network, as Nova and Neutron's Linux bridge agent do."""
    return f"brq{network_id}"[:NIC_NAME_LENGTH]


def device(port_id: str) -> str:
    """Name the guest's own device."""
    return f"qfv{port_id}"[:PACKET_NAME_LENGTH]


def device_peer(port_id: str) -> str:
    """Name the other end of the guest's device, in the host."""
    return f"qfb{port_id}"[:PACKET_NAME_LENGTH]


def sent_line(port_id: str) -> str:
    """Name the tap through which the frames that a port's guest sends go to a delay line, in the guest."""
    return f"qfs{port_id}"[:PACKET_NAME_LENGTH]


def received_line(port_id: str) -> str:
    """Name the tap of those that it is to receive, in the host."""
    return f"qfr{port_id}"[:PACKET_NAME_LENGTH]


def vlan(tag: int) -> str:
    """Name the guest's device of a network that comes tagged."""
    return f"vlan{tag}"


def physical_network_bridge(physical_network: str) -> str:
    """Name the bridge that joins the provider bridges of all emulated hosts."""
    return f"bfv-{physical_network}"[:DEVICE_NAME_LENGTH]


def physical_bridge(physical_network: str) -> str:
    """Name a host's provider bridge for a physical network."""
    return f"br-{physical_network}"[:DEVICE_NAME_LENGTH]


def physical_port(physical_network: str) -> str:
    """Name the end of a provider link that is in the host's provider bridge."""
    return f"qfo{physical_network}"[:DEVICE_NAME_LENGTH]


def physical_peer(index: int, physical_network: str) -> str:
    """Name the other end, in the lab's bridge; ``index`` is the host's number."""
    return f"qfb{index}-{physical_network}"[:DEVICE_NAME_LENGTH]


def management_peer(index: int) -> str:
    """Name the lab's end of a host's management link."""
    return f"mgmt{index}"


def underlay_peer(index: int) -> str:
    """Name the lab's end of a host's link to the underlay."""
    return f"underlay{index}"


def machine_port(bridge: str) -> str:
    """Name the end of a link that is in a provider bridge, for hosts that share a machine (the original's name)."""
    return f"qfo{bridge}"[:DEVICE_NAME_LENGTH]


def machine_peer(bridge: str) -> str:
    """Name the other end, in the bridge of the physical network."""
    return f"qfb{bridge}"[:DEVICE_NAME_LENGTH]


def tunnel_peer(host: str) -> str:
    """Name the machine's end of an emulated host's link for tunnels."""
    return f"qft{host}"[:DEVICE_NAME_LENGTH]


def outside_leg(physical_network: str) -> str:
    """Name the device of the outside's router in a physical network."""
    return f"leg-{physical_network}"[:DEVICE_NAME_LENGTH]


def outside_peer(physical_network: str) -> str:
    """Name the other end, in the lab's bridge."""
    return f"qfbo-{physical_network}"[:DEVICE_NAME_LENGTH]


def mac_address(lab: str, guest: str, device: str) -> str:
    """Give the MAC address of a guest's interface at a link's end: always the same, administered locally (IEEE 802)."""
    import hashlib

    octets = hashlib.sha256(f"fakevm:{lab}/{guest}/{device}".encode()).digest()[:5]
    return ":".join(f"{octet:02x}" for octet in (0x02, *octets))


def instance_id(lab: str, guest: str) -> str:
    """Give the id of the server that a guest of a lab file is: Nova's are UUIDs, this is always the same."""
    import uuid

    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"fakevm:{lab}/{guest}"))
