"""Open vSwitch through os-vif: the calls that Nova makes, then a look whether the switch took the port."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import os_vif
import vif_plug_ovs.ovs
import vif_plug_ovs.privsep
from os_vif.exception import ExceptionBase
from ovsdbapp.exceptions import OvsdbAppException

from fakevm import errors, names
from fakevm.guest.base import Uplink
from fakevm.linux import link
from fakevm.model.nic import NicKind, why_not_plain
from fakevm.ovs.interface import Interfaces
from fakevm.waiting import until

from . import description, southbound
from .base import VifDriver
from .internal import Internal

if TYPE_CHECKING:
    from fakevm.model.port import Port

_log = logging.getLogger(__name__)

_GROUP = "os_vif_ovs"
_DEFAULTS = {
    "ovsdb_connection": "unix:/var/run/openvswitch/db.sock",
    # seconds; os-vif's own 120 would make a plug without ovs-vswitchd hang that long
    "ovs_vsctl_timeout": 5,
}
# How long (seconds) ovs-vswitchd may take from the commit to forwarding.
_WIRING = 5.0


class OvsVifDriver(VifDriver):
    """Plugs into Open vSwitch; hybrid (with a Linux bridge) or native, as the binding says."""

    vif_types = ("ovs",)
    nics: tuple[NicKind, ...] = ("veth", "plain")

    def __init__(self, conf: Any) -> None:
        # we are root already: os-vif's privileged functions run in this process, without a helper and sudo
        vif_plug_ovs.privsep.vif_plug.set_client_mode(False)
        conf.register_opts(vif_plug_ovs.ovs.OvsPlugin.CONFIG_OPTS, group=_GROUP)
        for name, value in {**_DEFAULTS, **_nova_options(Path(conf.fakevm.nova_conf))}.items():
            conf.set_default(name, value, group=_GROUP)
        os_vif.initialize()
        options = conf[_GROUP]
        self._ovsdb = str(options.ovsdb_connection)
        self._interfaces = Interfaces(self._ovsdb, options.ovs_vsctl_timeout)
        self._internal = Internal(options, self._interfaces)

    def wait_ready(self, timeout: float) -> None:
        """See VifDriver; Open vSwitch and its agent may be started at once."""
        until(self._unreachable, "Open vSwitch did not answer", timeout, pause=0.2, error=errors.Unreachable)

    def _unreachable(self) -> str:
        try:
            self._interfaces.get("")
        except errors.Unreachable as problem:
            return problem.what
        return ""

    def check(self, port: Port) -> None:
        """See VifDriver."""
        super().check(port)
        problem = why_not_plain(port.mtu, hybrid=description.is_hybrid(port)) if port.is_plain else ""
        if problem:
            raise errors.PlugFailed(f"cannot plug {port.words}: {problem}", hint="Leave nic out: it is a veth then.")

    def prepare(self, port: Port) -> Uplink:
        """See VifDriver; hybrid: os-vif makes the Linux bridge and wires it; plain: the switch makes the device."""
        if port.is_plain:
            # It makes the bridge of a trunk, and no port.
            self._plug(port)
            with _translated(f"cannot plug {port.words}"):
                self._internal.make(port)
            return Uplink(names.tap(port.id), itself=True)
        if not description.is_hybrid(port):
            return Uplink(names.tap(port.id))
        self._plug(port)
        for end in (names.hybrid_bridge_port(port.id), names.hybrid_switch_port(port.id)):
            link.checksum_offload_off(end)
        # As Nova names it: iptables_hybrid filters what goes through a device of this name, and nothing else (neutron
        # 29.0.0, agent/linux/iptables_firewall.py, get_hybrid_port_name).
        return Uplink(names.tap(port.id), names.hybrid_bridge(port.id))

    def connect(self, port: Port) -> None:
        """See VifDriver; native: os-vif wires our end of the pair, which it takes for the VM's tap."""
        if not (description.is_hybrid(port) or port.is_plain):
            self._plug(port)
        self._interfaces.wait_wired(_switch_port(port), description.bridge(port), timeout=_WIRING)

    def unplug(self, port: Port) -> None:
        """See VifDriver."""
        self._interfaces.get(_switch_port(port))
        with _translated(f"cannot unplug {port.words}"):
            os_vif.unplug(description.vif(port), description.instance(port))

    def renew(self, port: Port) -> bool:
        """See VifDriver; for ports of OVN, where its database lets us in as it does ovn-controller."""
        try:
            southbound.renew(self._ovsdb, port.id)
        except errors.FakevmError as exc:
            _log.info("OVN cannot be asked to report port %s once more: %s", port.id, exc.what)
            return False
        return True

    def rewire(self, port: Port, seconds: float) -> None:
        """See VifDriver; without its ``iface-id`` an interface is no port of Neutron's."""
        self._interfaces.assign(_switch_port(port), "", timeout=_WIRING)
        try:
            time.sleep(seconds)
        finally:
            self._interfaces.assign(_switch_port(port), port.id, timeout=_WIRING)

    def problem(self, port: Port) -> str:
        """See VifDriver."""
        try:
            seen = self._interfaces.get(_switch_port(port))
        except errors.Unreachable as exc:
            return exc.what
        if seen is None:
            return f"OVSDB has no interface {_switch_port(port)}"
        bridge = description.bridge(port)
        if seen.wired(bridge) and self.made_anew(port):
            return "Open vSwitch has started anew, and the guest has not got its new device yet"
        return "" if seen.wired(bridge) else seen.describe(bridge)

    def made_anew(self, port: Port) -> bool:
        """See VifDriver: the one that is in the guest is not in the host."""
        return port.is_plain and link.exists(names.tap(port.id))

    def taken(self, port: Port) -> bool | None:
        """See VifDriver."""
        try:
            seen = self._interfaces.get(_switch_port(port))
        except errors.Unreachable:
            return None
        return seen.taken if seen else None

    def number(self, port: Port) -> int | None:
        """Give the OpenFlow number of a port; None when the switch does not forward on it."""
        try:
            seen = self._interfaces.get(_switch_port(port))
        except errors.Unreachable:
            return None
        return seen.ofport if seen and seen.wired(description.bridge(port)) else None

    def _plug(self, port: Port) -> None:
        self._interfaces.get(_switch_port(port))
        with _translated(f"cannot plug {port.words}"):
            os_vif.plug(description.vif(port), description.instance(port))


def _switch_port(port: Port) -> str:
    return names.hybrid_switch_port(port.id) if description.is_hybrid(port) else names.tap(port.id)


@contextlib.contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Make errors of os-vif, and of what it lets through, ours."""
    try:
        yield
    except (ExceptionBase, OvsdbAppException, ValueError, OSError) as exc:
        # its own text repeats the whole VIF; the reason is what it caught
        reason = exc.__context__ if isinstance(exc, ExceptionBase) and exc.__context__ else exc
        raise errors.PlugFailed(
            f"{doing}: os-vif got {type(reason).__name__}: {reason}",
            hint="Is ovs-vswitchd alive? The agent's log has the traceback.",
        ) from exc


def _nova_options(path: Path) -> dict[str, str]:
    """Read os-vif's own options from a nova.conf, if there is one; nothing else in it concerns us."""
    known = {option.dest for option in vif_plug_ovs.ovs.OvsPlugin.CONFIG_OPTS}
    parser = ConfigParser(interpolation=None, strict=False, default_section="", allow_no_value=True)
    try:
        parser.read(path)
    except ConfigError as exc:
        raise errors.InvalidInput(f"cannot read nova_conf {path}: {exc}") from exc
    if not parser.has_section(_GROUP):
        return {}
    return {name: value for name, value in parser.items(_GROUP) if name in known and value is not None}
