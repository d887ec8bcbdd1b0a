"""The agent's half: a bridge and a VXLAN device for each network that has guests here."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakevm import names
from fakevm.errors import PlugFailed
from fakevm.guest.base import Uplink
from fakevm.vif.base import VifDriver

if TYPE_CHECKING:
    from fakevm.model.port import Port

# The link on which a host of a lab reaches the others' tunnels.
UNDERLAY = "underlay"
# Frames for all go to this group (RFC 2365, organization-local).
GROUP = "239.192.0.1"
_DEVICES = Path("/sys/class/net")


class ToyVifDriver(VifDriver):
    """Makes a network's bridge for its first guest here, and removes it with the last."""

    vif_types = ("toy",)

    def __init__(self, conf: Any) -> None:
        self._lock = threading.Lock()
        # Ports whose device may not be there yet: their bridge must stay.
        self._expected: dict[str, str] = {}

    def prepare(self, port: Port) -> Uplink:
        """See VifDriver."""
        bridge, tunnel, vni = _network(port)
        with self._lock:
            self._expected[port.id] = bridge
            if not (_DEVICES / bridge).exists():
                _ip(f"link add {bridge} type bridge", f"link set {bridge} up")
            if not (_DEVICES / tunnel).exists():
                _ip(f"link add {tunnel} type vxlan id {vni} group {GROUP} dev {UNDERLAY} dstport 4789 ttl 4")
            _ip(f"link set {tunnel} master {bridge} up")
        return Uplink(names.tap(port.id), bridge)

    def connect(self, port: Port) -> None:
        """See VifDriver: the device has joined the bridge already."""
        if problem := self.problem(port):
            raise PlugFailed(f"cannot plug port {port.id}: {problem}")
        with self._lock:
            self._expected.pop(port.id, None)

    def unplug(self, port: Port) -> None:
        """See VifDriver."""
        bridge, tunnel, _ = _network(port)
        with self._lock:
            self._expected.pop(port.id, None)
            if set(_members(bridge)) <= {tunnel} and bridge not in self._expected.values():
                _ip(*(f"link del {device}" for device in (tunnel, bridge) if (_DEVICES / device).exists()))

    def problem(self, port: Port) -> str:
        """See VifDriver."""
        bridge, tunnel, _ = _network(port)
        missing = {names.tap(port.id), tunnel} - set(_members(bridge))
        return f"not in the bridge {bridge}: {', '.join(sorted(missing))}" if missing else ""


def _network(port: Port) -> tuple[str, str, int]:
    """Name a network's bridge and tunnel, which its VNI tells."""
    vni = int(port.binding.vif_details["vni"])
    return f"toy-br{vni}", f"toy-vx{vni}", vni


def _members(bridge: str) -> list[str]:
    folder = _DEVICES / bridge / "brif"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def _ip(*lines: str) -> None:
    done = subprocess.run(
        ["ip", "-batch", "-"], input="".join(f"{line}\n" for line in lines), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PlugFailed(f"ip {'; '.join(lines)}: {done.stderr.strip()}")
