"""What Open vSwitch itself says of an interface: a commit to OVSDB is not a wired port."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from ovs.db import idl
from ovsdbapp.backend.ovs_idl import connection, idlutils
from ovsdbapp.schema.open_vswitch import impl_idl

from fakevm import errors
from fakevm.waiting import until

# The VLAN of ports that Neutron's agent has not wired, or no longer (neutron.plugins.ml2.drivers.openvswitch.agent).
DEAD_VLAN = 4095
# What a trunk's bridge and its patch port in br-int begin with, and how much of the port's id is in names
# (neutron.services.trunk.drivers.openvswitch: utils, agent.trunk_manager).
_TRUNK_BRIDGE, _TRUNK_PATCH, _ID_LENGTH = "tbr-", "tpi-", 11
# How often (seconds) to look whether ovs-vswitchd has taken an interface.
_LOOK = 0.01


@dataclass(frozen=True)
class Interface:
    """An interface in OVSDB; ``ofport`` is None until ovs-vswitchd has seen the row, -1 when it failed.

    ``taken``: Neutron's side has done its part, too. Its agent gives the port its VLAN tag last of all, after the flows
    of its firewall (neutron.plugins.ml2.drivers.openvswitch.agent, _bind_devices); ovn-controller: ``ovn-installed``.
    ``mac_in_use`` is the MAC address that ovs-vswitchd has seen on its device.
    """

    name: str
    bridge: str
    ofport: int | None
    error: str
    taken: bool = False
    mac_in_use: str = ""

    def wired(self, bridge: str) -> bool:
        """Whether the switch forwards on it, in the bridge where it should be."""
        return not self.error and (self.ofport or 0) > 0 and self.bridge == bridge

    def describe(self, bridge: str) -> str:
        """Say what is seen, for a message."""
        if self.error:
            return f"Open vSwitch says of interface {self.name}: {self.error}"
        if self.bridge != bridge:
            return f"interface {self.name} is in bridge {self.bridge or 'nowhere'}, not in {bridge}"
        if self.ofport is None:
            return f"interface {self.name} is in OVSDB, but ovs-vswitchd has not taken it"
        return f"interface {self.name} has OpenFlow port {self.ofport}"


class _Tables(impl_idl.OvsdbIdl):  # type: ignore[misc]
    """Ours: ovsdbapp keeps the connection in the class, and os-vif's has other tables."""

    _ovsdb_connection = None


class Interfaces:
    """The Interface table of one OVSDB server, followed over one connection that is made when first needed.

    :param connection: such as ``unix:/var/run/openvswitch/db.sock``
    :param timeout: seconds for the server's answer
    """

    def __init__(self, connection: str, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._lock = threading.Lock()
        self._idl: Any = None

    def get(self, name: str) -> Interface | None:
        """Look an interface up.

        :raises Unreachable: no OVSDB server answers
        """
        api = self._api()
        rows = api.db_find("Interface", ("name", "=", name)).execute(check_error=True)
        if not rows:
            return None
        bridge = api.port_to_br(name).execute(log_errors=False) or ""
        # an optional column comes as the value or as an empty list
        ofport = rows[0]["ofport"] if rows[0]["ofport"] != [] else None
        taken = rows[0]["external_ids"].get("ovn-installed") == "true" or self._is_tagged(name, bridge)
        return Interface(
            name, bridge, ofport, rows[0]["error"] or "", taken=taken, mac_in_use=rows[0]["mac_in_use"] or ""
        )

    def _is_tagged(self, name: str, bridge: str) -> bool:
        if bridge.startswith(_TRUNK_BRIDGE):
            # What gets the tag of a trunk's parent is the end of the patch between that bridge and br-int.
            name = f"{_TRUNK_PATCH}{name[-_ID_LENGTH:]}"
        ports = self._idl.db_find("Port", ("name", "=", name)).execute(check_error=True)
        # the tag, too, is an optional column
        return any(port["tag"] not in ([], DEAD_VLAN) for port in ports)

    def wait_wired(self, name: str, bridge: str, *, timeout: float) -> None:
        """Wait until the switch forwards on an interface.

        An error is final only when the time is up: vswitchd takes it back when the device appears.

        :param timeout: seconds
        :raises PlugFailed: it does not; carries what Open vSwitch said
        """

        def unwired() -> str:
            if not (seen := self.get(name)):
                return f"OVSDB has no interface {name}"
            return "" if seen.wired(bridge) else seen.describe(bridge) or "it is not"

        until(unwired, f"{name} was not wired", timeout, pause=_LOOK, error=errors.PlugFailed)

    def assign(self, name: str, port_id: str, *, timeout: float) -> None:
        """Say which port of Neutron's an interface is, or "" for none; returns when OVN has seen that.

        :param timeout: seconds
        :raises PlugFailed: OVN has not
        """
        api = self._api()
        if port_id:
            change = api.db_set("Interface", name, ("external_ids", {"iface-id": port_id}))
        else:
            change = api.db_remove("Interface", name, "external_ids", "iface-id")
        try:
            change.execute(check_error=True)
        except Exception as exc:
            raise errors.PlugFailed(f"cannot change the iface-id of {name}: {exc}") from exc

        def unseen() -> str:
            seen = self.get(name)
            return "" if not seen or seen.taken is bool(port_id) else "taken" if seen.taken else "not taken"

        until(
            unseen, f"OVN has not {'taken' if port_id else 'released'} {name}", timeout, pause=_LOOK,
            error=errors.PlugFailed, hint="Is ovn-controller alive on this host? Look at its log.",
        )  # fmt: skip

    def _api(self) -> Any:
        with self._lock:
            if self._idl is None:
                try:
                    helper = idlutils.get_schema_helper(self._connection, "Open_vSwitch")
                    helper.register_columns("Interface", ["name", "ofport", "error", "external_ids", "mac_in_use"])
                    helper.register_columns("Port", ["name", "tag"])
                    helper.register_columns("Bridge", ["name", "ports"])
                    helper.register_table("Open_vSwitch")
                    following = idl.Idl(self._connection, helper)
                    self._idl = _Tables(connection.Connection(idl=following, timeout=self._timeout))
                except Exception as exc:
                    raise errors.Unreachable(
                        f"no OVSDB server answers on {self._connection}: {exc}",
                        hint="Start ovsdb-server, or set ovsdb_connection in [os_vif_ovs].",
                    ) from exc
            return self._idl
