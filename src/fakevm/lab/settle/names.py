"""Names that would mean two things."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fakevm.model.labfile import LabFile
from fakevm.model.remark import Location, Remark

_SHARED = "hosts, guests, links, bridges and clients outside share one space of names"
_TARGETS = "guests, ports, floating IPs and clients outside share one space of names"
# What a check's packets go to is a guest, a port without one, a floating IP or a client.
_ONLY_TARGETS = frozenset({"floating IP", "port"})
_NO_TARGETS = ("host", "link", "bridge")


def wrong(lab: LabFile, written: LabFile) -> Iterator[Remark]:
    """Find what is called as something else is; ``written`` is the file itself, ``lab`` has every default."""
    called: dict[str, dict[str, Location]] = {}
    for kind, (names, at) in _named(lab, written).items():
        for name in names:
            called.setdefault(name, {})[kind] = (*at, name)
    for name, kinds in called.items():
        for kind, here in kinds.items():
            others = [other for other in kinds if other != kind and not _apart(kind, other)]
            if others and _is_written(written, here):
                what = f"{name!r} is also the name of a {others[0]}"
                yield Remark(what, here, f"{_TARGETS if _ONLY_TARGETS & {kind, others[0]} else _SHARED}.".capitalize())


def _named(lab: LabFile, written: LabFile) -> dict[str, tuple[Mapping[str, object], Location]]:
    return {
        "host": (lab.hosts, ("hosts",)),
        "guest": (written.guests, ("guests",)),
        "bridge": (written.bridges, ("bridges",)),
        "link": (written.links, ("links",)),
        "client": (written.outside.clients, ("outside", "clients")),
        "floating IP": (written.floating_ips, ("floating_ips",)),
        "port": (written.ports, ("ports",)),
    }


def _apart(one: str, other: str) -> bool:
    return bool(_ONLY_TARGETS & {one, other}) and not {one, other}.isdisjoint(_NO_TARGETS)


def _is_written(lab: LabFile, at: Location) -> bool:
    """Tell whether a name is the file's: hosts and clients may be those of every file that speaks of none."""
    if at[0] == "outside":
        return "outside" in lab.model_fields_set and "clients" in lab.outside.model_fields_set
    return str(at[0]) in lab.model_fields_set
