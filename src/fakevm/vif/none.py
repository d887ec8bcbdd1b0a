"""The driver of a host without Neutron: it plugs no port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fakevm import errors

from .base import VifDriver

if TYPE_CHECKING:
    from fakevm.guest.base import Uplink
    from fakevm.model.port import Port


class NoVifDriver(VifDriver):
    """Refuses every port."""

    uses_open_vswitch = False
    vif_types = ()

    def __init__(self, conf: Any) -> None:
        pass

    def check(self, port: Port) -> None:
        """See VifDriver."""
        raise errors.PlugFailed(f"cannot plug {port.words}: this host belongs to a lab without Neutron")

    def prepare(self, port: Port) -> Uplink:
        """See VifDriver."""
        raise NotImplementedError

    def connect(self, port: Port) -> None:
        """See VifDriver."""

    def unplug(self, port: Port) -> None:
        """See VifDriver."""

    def problem(self, port: Port) -> str:
        """See VifDriver."""
        return ""
