"""OVN's southbound database, spoken to as this host's ovn-controller does."""

from __future__ import annotations

from fakevm.linux import process

# Seconds for each of the two programs.
_PATIENCE = 5


def renew(ovsdb: str, port_id: str) -> None:
    """Take back that a port is up: this host's ovn-controller says so again at once, and no flow of it changes.

    Neutron looks at that change alone (docs/findings/0002-port-stays-down-after-live-migration-with-ovn.md).

    :param ovsdb: the connection to Open vSwitch's database, which says where OVN's is (``ovn-remote``)
    :raises Prerequisite: ovn-sbctl is not here
    :raises CommandFailed: OVN's database does not let us, or is another's, or has no such port
    """
    asked = ["get", "Open_vSwitch", ".", "external_ids:ovn-remote"]
    remote = process.run(["ovs-vsctl", f"--db={ovsdb}", f"--timeout={_PATIENCE}", *asked]).strip().strip('"')
    process.run(
        ["ovn-sbctl", f"--db={remote}", f"--timeout={_PATIENCE}", "set", "Port_Binding", port_id, "up=false"],
        timeout=2 * _PATIENCE,
    )
