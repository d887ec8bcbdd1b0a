"""What ML2 makes of networks in a lab: the types that it has, the one that it chooses, their largest MTU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fakevm.backend.base import Backend
from fakevm.lab import mtu
from fakevm.lab.config import given
from fakevm.lab.files import joined
from fakevm.model.labfile import NetworkFile
from fakevm.model.plan import LabPlan

# neutron_lib.constants: IP_HEADER_LENGTH (the underlay is IPv4), VXLAN_ENCAP_OVERHEAD; Neutron's default of
# [ml2_type_geneve] max_header_size.
_IP_HEADER = 20
_VXLAN = 30
_GENEVE = 30


@dataclass(frozen=True)
class Types:
    """``there`` are the types that ML2 has, ``own`` is the one that it gives a network without; empty: not known.

    ``overlay`` and ``physical`` are the largest MTUs (bytes) that the links between the hosts bear (0: not known), and
    ``mtus`` those of single physical networks, by name.
    """

    there: tuple[str, ...] = ()
    own: str = ""
    overlay: int = 0
    physical: int = 0
    geneve: int = _GENEVE
    mtus: Mapping[str, int] = field(default_factory=dict)

    def of(self, network: NetworkFile) -> str:
        """Name the type that a network will have, its first segment if it has many."""
        return network.pieces[0].type or self.own

    def largest_mtu(self, network: NetworkFile) -> int:
        """Give the largest MTU that Neutron takes for a network (Ml2Plugin._get_network_mtu, 29.0.0); 0: any."""
        kind = self.of(network)
        if kind in ("vlan", "flat"):
            own = (self.mtus.get(piece.physical_network or "", 0) for piece in network.pieces)
            return min(filter(None, (self.physical, *own)), default=0)
        if kind not in ("vxlan", "geneve") or not self.overlay:
            return 0
        return self.overlay - _IP_HEADER - (_VXLAN if kind == "vxlan" else self.geneve)

    def mtu(self, network: NetworkFile) -> int:
        """Give the MTU that a network will have; 0: not known."""
        return network.mtu or self.largest_mtu(network)


def of(backend: Backend, plan: LabPlan) -> Types:
    """Read the types from what a backend, and the file, configure ML2 with. Raises CommandFailed."""
    ml2 = given.over(joined(backend.ml2(plan), mtu.ml2(plan)), "ml2", plan, backend.python_path)
    own = joined(backend.server_settings(plan), {"DEFAULT": mtu.general(plan)})
    server = given.over(own, "server", plan, backend.python_path)
    general, geneve = ml2.get("ml2", {}), ml2.get("ml2_type_geneve", {})
    physical = _number(server.get("DEFAULT", {}), "global_physnet_mtu", 1500)
    path = _number(general, "path_mtu", 0)
    return Types(
        there=_words(general, "type_drivers"),
        own=next(iter(_words(general, "tenant_network_types")), ""),
        overlay=min(physical, path) if path else physical,
        physical=physical,
        geneve=_number(geneve, "max_header_size", _GENEVE),
        mtus=_numbers(_words(general, "physical_network_mtus")),
    )


def _number(section: Mapping[str, Any], option: str, default: int) -> int:
    try:
        return int(section.get(option, default))
    except (ValueError, TypeError):
        # That is told where the options are looked at.
        return default


def _numbers(words: Iterable[str]) -> dict[str, int]:
    """Read ``NAME:NUMBER`` from each word."""
    pairs = (word.rpartition(":") for word in words)
    return {name: int(number) for name, _, number in pairs if number.isdecimal()}


def _words(section: Mapping[str, Any], option: str) -> tuple[str, ...]:
    given = section.get(option, "")
    words = given.split(",") if isinstance(given, str) else given
    return tuple(str(word).strip() for word in words if str(word).strip())
