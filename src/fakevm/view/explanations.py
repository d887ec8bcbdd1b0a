"""What happens in each step of a migration, and where Nova does it, for those who see it for the first time."""

from __future__ import annotations

from dataclasses import dataclass

_CONDUCTOR = "nova/conductor/tasks/live_migrate.py"
_MANAGER = "nova/compute/manager.py"
_LIBVIRT = "nova/virt/libvirt/driver.py"
_NETWORK = "nova/network/neutron.py"


@dataclass(frozen=True)
class Explanation:
    """A sentence about a step, and the place in Nova's source (empty where the step is ours alone)."""

    words: str
    source: str = ""


LIVE = {
    "check": Explanation(
        "The conductor checks that the server runs, and that the destination is alive and not the source.",
        f"{_CONDUCTOR} LiveMigrationTask._execute",
    ),
    "observe": Explanation(
        "Not Nova's: another guest in the network starts to send probes to this one, to see the outage as a user would."
    ),
    "bind-destination": Explanation(
        "Each port gets a second binding: Neutron says how it will be plugged at the destination, but this binding "
        "stays INACTIVE while the source's is ACTIVE.",
        f"{_CONDUCTOR} _bind_ports_on_destination; {_NETWORK} bind_ports_to_host",
    ),
    "plug-destination": Explanation(
        "Before anything runs there, the destination plugs each interface with the data of its own binding; the guest "
        "behind it is silent.",
        f"{_MANAGER} _do_pre_live_migration; {_LIBVIRT} _pre_live_migration_plug_vifs",
    ),
    "migrating-to": Explanation(
        "migrating_to in each port's binding profile lets Neutron wire the port at the destination while it is still "
        "bound to the source.",
        f"{_NETWORK} setup_networks_on_host, _setup_migration_port_profile",
    ),
    "wait-plugged": Explanation(
        "The source waits for the event network-vif-plugged of each port, Neutron's word that the destination's agent "
        "has wired it; only then does it let go of the guest.",
        f"{_MANAGER} _do_pre_live_migration_from_source",
    ),
    "copy-state": Explanation(
        "While the guest runs, its memory is copied (here: its network settings).",
        f"{_LIBVIRT} _live_migration_operation, _live_migration_monitor (libvirt and QEMU do it)",
    ),
    "pause-source": Explanation(
        "The guest stops at the source, and what has changed of it since is taken along. From here on nobody answers.",
        f"{_LIBVIRT} _live_migration_operation (libvirt and QEMU do it)",
    ),
    "freeze": Explanation(
        "The processes of a container stop, and what has changed of their memory is taken along (here: all of it).",
        f"{_LIBVIRT} _live_migration_operation (libvirt and QEMU do it)",
    ),
    "resume-destination": Explanation(
        "The guest goes on at the destination and announces itself, so that switches learn its new place; the outage "
        "should end here.",
        f"{_LIBVIRT} _live_migration (libvirt and QEMU do it), _qemu_monitor_announce_self",
    ),
    "activate": Explanation(
        "In one request for each port the destination's binding becomes ACTIVE and the source's INACTIVE, and "
        "binding:host_id changes; the port is DOWN until Neutron finds it wired.",
        f"{_MANAGER} _post_live_migration; {_NETWORK} migrate_instance_start",
    ),
    "unplug-source": Explanation(
        "The source unplugs its interfaces, with the data of their own bindings.",
        f"{_MANAGER} _post_live_migration; {_LIBVIRT} post_live_migration_at_source",
    ),
    "clear-profile": Explanation(
        "migrating_to is taken out of each port's binding profile.",
        f"{_NETWORK} setup_networks_on_host(teardown=True), _clear_migration_port_profile",
    ),
    "unbind-source": Explanation(
        "The source's binding is deleted; one that stays behind would block the next migration.",
        f"{_MANAGER} _do_post_live_migration_at_destination; {_NETWORK} _delete_port_bindings",
    ),
    "wait-active": Explanation(
        "Not Nova's: we wait until Neutron reports each port ACTIVE again, and show how long that takes."
    ),
}

COLD = {
    "check": Explanation(
        "The conductor checks that the destination is alive and not the source.",
        "nova/conductor/tasks/migrate.py MigrationTask._execute",
    ),
    "observe": LIVE["observe"],
    "unplug": Explanation(
        "The server is shut down at the source, and its interfaces are unplugged. From here on nobody answers.",
        f"{_MANAGER} _resize_instance; {_LIBVIRT} migrate_disk_and_power_off",
    ),
    "bind": Explanation(
        "Each port's only binding is changed: binding:host_id names the destination.",
        f"{_MANAGER} _finish_resize; {_NETWORK} migrate_instance_finish",
    ),
    "plug": Explanation(
        "The destination makes each interface anew.",
        f"{_LIBVIRT} finish_migration, _create_guest_with_network",
    ),
    "active": Explanation(
        "The destination waits until Neutron has wired each port, before the server may run.",
        f"{_LIBVIRT} _create_guest_with_network (wait_for_instance_event)",
    ),
    "address": Explanation("The guest boots anew: it gets its addresses, by DHCP or as they were given."),
}

STEPS = {"live": LIVE, "cold": COLD}
# Steps that only some migrations have: those of containers whose processes go along.
SOMETIMES = {"freeze"}

# What may come in between.
REMARKS = {
    "nudge": Explanation(
        "The port stayed DOWN, so Neutron is asked once more for the binding that it has: that changes nothing, but it "
        "wakes an agent that skipped the port while the source's binding was still there. With OVN, which no request "
        "wakes, the port is taken from OVN for a moment, so that Neutron sees it come up.",
        f"{_NETWORK} migrate_instance_finish (Nova's own last request for the port)",
    ),
}

LANES = {
    "steps": "A bar for each step, in the order in which they began, with its length.",
    "events": "A diamond for each event that Neutron sent to Nova about this server.",
    "port": "The port's status in Neutron: a full bar is ACTIVE, a low bar is anything else.",
    "binding": "Each host's binding of the port: full is ACTIVE, dashed is INACTIVE, nothing where there is none.",
    "migrating_to": "Set while Nova tells Neutron that the port is about to move.",
    "packets": "A stroke for each probe, when it was sent: the higher, the longer its answer took; one through the "
    "lane with a cross was lost. A ring marks one that was answered twice, a triangle one that a later one overtook.",
    "gap": "The shaded band is the longest time from one answer to the next; of several interfaces, that of the worst.",
}


def explain(kind: str, step: str) -> Explanation:
    """Explain a step of a kind of migration; a step that we do not know needs no words."""
    return {**REMARKS, **STEPS.get(kind, {})}.get(step, Explanation(""))
