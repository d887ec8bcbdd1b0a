"""What a lab's services tell Neutron's programs, beside what all labs tell them; the lab file's ``config`` wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fakevm.backend.base import Backend
from fakevm.lab.files import Repeated
from fakevm.model import config
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.reference import suggestion
from fakevm.model.labfile.service import ServiceFile
from fakevm.model.plan import LabPlan
from fakevm.model.remark import Location, Remark

from .known import KNOWN

Settings = dict[str, dict[str, object]]
_L3 = "neutron-l3-agent"


def of(lab: LabFile) -> tuple[ServiceFile, ...]:
    """Give a lab's services with all that they consist of."""
    return tuple(KNOWN[one.name].file if one.is_name and one.name in KNOWN else one for one in lab.services)


def packages(lab: LabFile) -> tuple[str, ...]:
    """List the packages of a lab, and those of its services, each once."""
    return tuple(dict.fromkeys((*lab.packages, *(name for one in of(lab) for name in one.packages))))


def placed(lab: LabFile) -> list[tuple[Location, ServiceFile]]:
    """List the services as the file has them, each with its place."""
    return [(("services", index), one) for index, one in enumerate(lab.services)]


def plugins(lab: LabFile) -> tuple[str, ...]:
    """List the service plugins of a lab's services."""
    return tuple(name for one in of(lab) for name in one.service_plugins)


def wrong(lab: LabFile, backend: Backend) -> Iterator[Remark]:
    """Find services that nobody knows, that the backend cannot have, or that are named twice."""
    seen: set[str] = set()
    for index, one in enumerate(lab.services):
        at = ("services", index)
        if one.name in seen:
            yield Remark(f"the service {one.name!r} is named twice", at)
        seen.add(one.name)
        if not one.is_name:
            continue
        if one.name not in KNOWN:
            hint = f"{suggestion(one.name, list(KNOWN))} One of your own: {{name: {one.name}, service_plugins: […]}}"
            yield Remark(f"FakeVM knows no service {one.name!r}", at, hint)
        elif why := KNOWN[one.name].lacking(backend):
            yield Remark(f"the backend {lab.backend} has no service {one.name!r}: {why}", at)


def server(plan: LabPlan, settings: Mapping[str, Mapping[str, object]]) -> Settings:
    """Give the sections of the server's ``neutron.conf`` with what services add to them."""
    providers = [line for one in plan.services for line in one.providers]
    more: Settings = {"service_providers": {"service_provider": Repeated(providers)}} if providers else {}
    return _joined(settings, more, *_told(plan, "server"))


def ml2(plan: LabPlan, settings: Mapping[str, Mapping[str, object]]) -> Settings:
    """Give the sections of ``ml2.ini`` with what services add to them."""
    own = settings.get("ml2", {})
    lists = {
        name: _more(own.get(name), (driver for one in plan.services for driver in getattr(one, name)))
        for name in ("mechanism_drivers", "extension_drivers")
    }
    return _joined(settings, {"ml2": {name: value for name, value in lists.items() if value}}, *_told(plan, "ml2"))


def agent(plan: LabPlan, backend: Backend, binary: str, settings: Mapping[str, Mapping[str, object]]) -> Settings:
    """Give the sections of an agent's own file with what services add to them."""
    kind = {backend.l2_agent: "l2_extensions", _L3: "l3_extensions"}.get(binary, "")
    extensions = [name for one in plan.services for name in getattr(one, kind)] if kind else []
    own = settings.get("agent", {}).get("extensions")
    more: Settings = {"agent": {"extensions": _more(own, extensions)}} if extensions else {}
    return _joined(settings, more, *_told(plan, config.word(binary)))


def _told(plan: LabPlan, word: str) -> Iterator[Mapping[str, Mapping[str, object]]]:
    yield from (one.config[word] for one in plan.services if word in one.config)


def _more(own: object, names: Iterable[str]) -> str:
    return ",".join(dict.fromkeys([*filter(None, str(own or "").split(",")), *names]))


def _joined(*parts: Mapping[str, Mapping[str, object]]) -> Settings:
    found: Settings = {}
    for part in parts:
        for section, options in part.items():
            found[section] = found.get(section, {}) | dict(options)
    return found
