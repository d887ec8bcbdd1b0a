"""What a lab's services tell Neutron's programs, beside what all labs tell them; the lab file's ``config`` wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fakevm import release
from fakevm.backend import base as backends
from fakevm.backend.base import Backend
from fakevm.lab.files import Repeated, Settings, joined
from fakevm.model import config
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.reference import suggestion
from fakevm.model.labfile.service import ServiceFile
from fakevm.model.plan import HostPlan, LabPlan
from fakevm.model.remark import Location, Remark

from .known import KNOWN, SETS, Known

_L3 = "neutron-l3-agent"


def of(lab: LabFile) -> tuple[ServiceFile, ...]:
    """Give a lab's services with all that they consist of, each once: those that it names, and those that it needs.

    Raises NotFound: there is no such backend.
    """
    needed = [ServiceFile(name=name) for name in lab.needed_services]
    if not (lab.services or needed):
        return ()
    backend = backends.load(lab.backend)
    # What the file says of one in its own words comes last, and counts.
    meant = (one for written in (*needed, *lab.services) for one in _meant(written, lab, backend))
    return tuple({one.name: one for one in meant}.values())


def has(lab: LabFile, service: str) -> bool:
    """Tell whether a lab has a service, because it names it or needs it."""
    return any(one.name == service for one in of(lab))


def _meant(written: ServiceFile, lab: LabFile, backend: Backend) -> Iterator[ServiceFile]:
    """Give the services that an entry of the file stands for: of a set, those that the backend can have."""
    if not written.is_name:
        yield written
    elif written.name in KNOWN:
        yield KNOWN[written.name].made_of(backend)
    else:
        members = (KNOWN[name] for name in SETS.get(written.name, ()))
        yield from (one.made_of(backend) for one in members if not _lacking(one, lab, backend))


def _lacking(known: Known, lab: LabFile, backend: Backend) -> str:
    return known.lacking(backend, release.resolve(lab.version()))


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
            yield from _homeless(one, lab, at)
            continue
        if one.name not in KNOWN and one.name not in SETS:
            near = suggestion(one.name, [*KNOWN, *SETS])
            hint = f"{near} One of your own: {{name: {one.name}, service_plugins: […]}}"
            yield Remark(f"FakeVM knows no service {one.name!r}", at, hint)
        elif one.name in KNOWN and (why := _lacking(KNOWN[one.name], lab, backend)):
            yield Remark(f"the backend {lab.backend} has no service {one.name!r}: {why}", at)
        elif one.name in KNOWN:
            yield from _homeless(KNOWN[one.name].made_of(backend), lab, at)
    yield from _rivals(lab, backend)


def _whole(lab: LabFile, backend: Backend) -> Iterator[tuple[ServiceFile, Location]]:
    """Give all services that are meant, each with the place where the file says so."""
    for at, written in placed(lab):
        yield from ((one, at) for one in _meant(written, lab, backend))


def _homeless(one: ServiceFile, lab: LabFile, at: Location) -> Iterator[Remark]:
    """Find agents for which there is no host."""
    for agent in one.agents:
        roles = one.roles(agent)
        if not any(set(roles) & set(host.roles) for host in lab.hosts.values()):
            wanted = " or ".join(roles)
            yield Remark(f"the service {one.name!r} needs a host with the role {wanted}, for its {agent}", at)


def _rivals(lab: LabFile, backend: Backend) -> Iterator[Remark]:
    """Find services of which Neutron takes only one: each kind of provider has one default, names are its own.

    With two its server ends at once (29.0.0, ServiceTypeManager and ProviderConfiguration).
    """
    defaults: dict[str, str] = {}
    named: dict[str, str] = {}
    for one, at in _whole(lab, backend):
        for line in one.providers:
            kind, name, *rest = line.split(":")
            first = named.setdefault(f"{kind}:{name}", one.name)
            if rest[1:] == ["default"]:
                first = defaults.setdefault(kind, one.name) if first == one.name else first
            if first != one.name:
                what = f"the services {first!r} and {one.name!r} exclude each other: both are the provider of {kind}"
                yield Remark(what, at)


def server(plan: LabPlan, settings: Mapping[str, Mapping[str, object]]) -> Settings:
    """Give the sections of the server's ``neutron.conf`` with what services add to them."""
    providers = [line for one in plan.services for line in one.providers]
    more: Settings = {"service_providers": {"service_provider": Repeated(providers)}} if providers else {}
    return joined(settings, more, *_told(plan, "server"))


def ml2(plan: LabPlan, settings: Mapping[str, Mapping[str, object]]) -> Settings:
    """Give the sections of ``ml2.ini`` with what services add to them."""
    own = settings.get("ml2", {})
    lists = {
        name: _more(own.get(name), (driver for one in plan.services for driver in getattr(one, name)))
        for name in ("mechanism_drivers", "extension_drivers")
    }
    return joined(settings, {"ml2": {name: value for name, value in lists.items() if value}}, *_told(plan, "ml2"))


def agent(
    plan: LabPlan, host: HostPlan, backend: Backend, binary: str, settings: Mapping[str, Mapping[str, object]]
) -> Settings:
    """Give the sections of an agent's own file with what services add to them."""
    kind = {backend.l2_agent: "l2_extensions", _L3: "l3_extensions"}.get(binary, "")
    extensions = [name for one in plan.services for name in getattr(one, kind)] if kind else []
    own = settings.get("agent", {}).get("extensions")
    more: Settings = {"agent": {"extensions": _more(own, extensions)}} if extensions else {}
    return joined(settings, more, *_of_host(plan, host, backend, binary), *_told(plan, config.word(binary)))


def _of_host(
    plan: LabPlan, host: HostPlan, backend: Backend, binary: str
) -> Iterator[Mapping[str, Mapping[str, object]]]:
    """Give what is another on each host for an agent that a service brings."""
    for one in plan.services:
        known = KNOWN.get(one.name)
        if known and known.host and binary in one.agents and one == known.made_of(backend):
            yield known.host(host)


def agents(plan: LabPlan, host: HostPlan) -> tuple[str, ...]:
    """Name the binaries of the agents that a host runs for the lab's services."""
    found = (agent for one in plan.services for agent in one.agents if set(one.roles(agent)) & set(host.roles))
    return tuple(dict.fromkeys(found))


def _told(plan: LabPlan, word: str) -> Iterator[Mapping[str, Mapping[str, object]]]:
    yield from (one.config[word] for one in plan.services if word in one.config)


def _more(own: object, names: Iterable[str]) -> str:
    return ",".join(dict.fromkeys([*filter(None, str(own or "").split(",")), *names]))
