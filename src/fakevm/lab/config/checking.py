"""What is wrong with the options that a lab file gives, and what will not be as they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from fakevm.backend.base import Backend
from fakevm.lab import mtu
from fakevm.lab.services import loading as services
from fakevm.model import config
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.config import Config
from fakevm.model.labfile.reference import suggestion
from fakevm.model.plan import HostPlan, LabPlan
from fakevm.model.remark import Location, Remark

from . import known as knowing
from . import reserved
from .known import NAMESPACES, Known
from .option import Option

_NEAR = 0.6
_VERY_NEAR = 0.8


class _Scope(NamedTuple):
    """Options of one part of a file, and who reads them: program's word → releases. ``host`` is empty: the lab."""

    at: Location
    config: Config
    readers: Mapping[str, Sequence[str]]
    host: str = ""


class Place(NamedTuple):
    """Where an option stands, and whose it is."""

    at: Location
    word: str
    section: str
    name: str

    def remark(self, what: str, hint: str = "") -> Remark:
        """Say something of it."""
        return Remark(what, (*self.at, self.word, self.section, self.name), hint)


def agents(plan: LabPlan, host: HostPlan, backend: Backend) -> tuple[str, ...]:
    """Name Neutron's agents of a host by their words."""
    binaries = (*backend.agents(plan, host), *backend.agents_of_roles(host), *services.agents(plan, host))
    return tuple(config.word(binary) for binary in binaries if binary.startswith("neutron-"))


def is_given(lab: LabFile) -> bool:
    """Tell whether a file gives any options."""
    return bool(lab.config) or any(host.config for host in lab.hosts.values())


def wrong(lab: LabFile, plan: LabPlan, backend: Backend) -> Iterator[Remark]:
    """Find what no program takes, and what FakeVM must set itself. Raises CommandFailed."""
    for scope in _scopes(lab, plan, backend):
        words = sorted({*NAMESPACES, *scope.readers})
        for word, sections in scope.config.items():
            at = (*scope.at, word)
            if word not in words:
                yield Remark(f"there is no program {word!r}", at, _program_meant(word, words))
            elif scope.host and word in config.SERVER_WORDS:
                yield Remark("the server is the lab's, not a host's", at, "Put it into 'config' of the lab.")
            else:
                places = [Place(scope.at, word, section, name) for section, found in sections.items() for name in found]
                yield from _wrong_options(places, scope, plan, backend)
    yield from _lacking_plugins(lab, plan)


def notes(lab: LabFile, plan: LabPlan, backend: Backend) -> Iterator[Remark]:
    """Find what programs will not heed, or only for now. Raises CommandFailed."""
    for scope in _scopes(lab, plan, backend):
        for word, sections in scope.config.items():
            if not scope.readers.get(word):
                where = scope.host or "the lab"
                yield Remark(f"{where} runs no {word}: its options do nothing", (*scope.at, word))
                continue
            for release in scope.readers[word]:
                known = knowing.of(word, release, backend.python_path)
                if not known:
                    what = f"what {word} is told is checked when Neutron {release} is installed"
                    yield Remark(what, (*scope.at, word))
                for section, found in sections.items() if known else ():
                    for name in found:
                        yield from _noted(Place(scope.at, word, section, name), release, backend)
    yield from _large_mtu(lab, mtu.largest(plan))


def _scopes(lab: LabFile, plan: LabPlan, backend: Backend) -> Iterator[_Scope]:
    if not is_given(lab):
        return
    running = {host.name: agents(plan, host, backend) for host in plan.hosts}
    releases = {host.name: host.release for host in plan.hosts}
    readers: dict[str, list[str]] = {word: [plan.release] for word in config.SERVER_WORDS}
    for name, words in running.items():
        for word in words:
            readers.setdefault(word, [])
            readers[word] += [releases[name]] if releases[name] not in readers[word] else []
    yield _Scope(("config",), lab.config, readers)
    for name, host in lab.hosts.items():
        own = {word: [releases[name]] for word in running[name]}
        yield _Scope(("hosts", name, "config"), host.config, own, name)


def _program_meant(word: str, words: Sequence[str]) -> str:
    if config.word(word) in words:
        return f"Did you mean {config.word(word)!r}?"
    if near := [known for known in words if word in known.split("_")]:
        return f"Did you mean {near[0]!r}?"
    return suggestion(word, words)


def _wrong_options(places: Sequence[Place], scope: _Scope, plan: LabPlan, backend: Backend) -> Iterator[Remark]:
    word = places[0].word if places else ""
    releases = scope.readers.get(word) or [plan.release]
    seen: dict[str, Place] = {}
    for place in places:
        value = scope.config[word][place.section][place.name]
        found = [
            remark
            for release in releases
            for remark in _wrong_option(place, value, release, knowing.of(word, release, backend.python_path), backend)
        ]
        yield from found[:1]
        option = knowing.of(word, releases[0], backend.python_path).named(place.section, place.name)
        first = seen.setdefault(str(option), place)
        if first is not place:
            yield place.remark(f"it is given twice, as [{first.section}] {first.name}, too")


def _wrong_option(place: Place, value: object, release: str, known: Known, backend: Backend) -> Iterator[Remark]:
    option = known.named(place.section, place.name)
    if found := reserved.find(option.section, option.name):
        yield place.remark(f"FakeVM must set {option}: {found.why}", found.hint)
    elif known and not known.find(place.section, place.name):
        if not _is_anybodys(place, known, backend):
            what = f"{place.word} of Neutron {release} has no option [{place.section}] {place.name}"
            all_of_them = f"All that there are: fakevm lab config {place.word} --release {release}"
            yield place.remark(what, meant(place.section, place.name, known) or all_of_them)
    elif known and place.word in config.SERVER_WORDS and (home := _misplaced(place, release, backend)):
        yield place.remark(f"{option} is an option of {home}", f"Put it into 'config', '{home}'.")
    elif problem := option.wrong(value):
        yield place.remark(f"{option} {problem}")


def _misplaced(place: Place, release: str, backend: Backend) -> str:
    """Name the other file of the server that an option belongs to; empty when it is where it belongs."""
    homes = _readers(place, release, backend)
    return "" if place.word in homes else next((word for word in homes if word in config.SERVER_WORDS), "")


def _readers(place: Place, release: str, backend: Backend) -> list[str]:
    """Name the programs that are known to read an option."""
    return [word for word in NAMESPACES if knowing.of(word, release, backend.python_path).is_own(*place[2:])]


def _is_anybodys(place: Place, known: Known, backend: Backend) -> bool:
    """Tell whether an option may be that of somebody else's module, who does not say which options that has."""
    sections = known.sections()
    is_near = bool(get_close_matches(place.section, sections, n=1, cutoff=_VERY_NEAR))
    return bool(backend.python_path) and place.section.lower() not in map(str.lower, sections) and not is_near


def meant(section: str, name: str, known: Iterable[Option]) -> str:
    """Say which option of a program was meant, as far as can be seen; empty when it cannot."""
    options = list(known)
    if elsewhere := [option for option in options if option.name == name]:
        return f"Did you mean {elsewhere[0]}?"
    here = [option for option in options if not section or option.section.lower() == section.lower()]
    sections = list(dict.fromkeys(option.section for option in options))
    if not here and (alike := get_close_matches(section, sections, n=1, cutoff=_NEAR)):
        return f"Did you mean the section [{alike[0]}]?"
    for among, cutoff in ((here, _NEAR), (options, _VERY_NEAR)):
        if near := get_close_matches(name, [option.name for option in among], n=1, cutoff=cutoff):
            return f"Did you mean {next(option for option in among if option.name == near[0])}?"
    return ""


def _noted(place: Place, release: str, backend: Backend) -> Iterator[Remark]:
    known = knowing.of(place.word, release, backend.python_path)
    option = known.find(place.section, place.name)
    if option is None:
        what = f"nobody says what {place.word} knows in [{place.section}]: {place.name} is taken as it is written"
        yield place.remark(what)
    elif not known.is_own(place.section, place.name):
        others = " and ".join(_readers(place, release, backend)) or "other programs"
        yield place.remark(f"{place.word} may not heed {option}, which is an option of {others}")
    elif known.is_former(place.section, place.name):
        yield place.remark(f"{place.word} calls [{place.section}] {place.name} {option} now")
    elif option.removal:
        yield place.remark(f"{option} will be removed from Neutron: {option.removal}")


def _large_mtu(lab: LabFile, links: int) -> Iterator[Remark]:
    """Neutron counts with what it is told (29.0.0, Ml2Plugin._get_network_mtu), and not with what its links bear."""
    at = ("server", "DEFAULT", "global_physnet_mtu")
    given = lab.config.get(at[0], {}).get(at[1], {}).get(at[2], 0)
    if str(given).isdecimal() and int(given) > links:
        what = f"the links between a lab's hosts bear {links} bytes, whatever {at[2]} says"
        yield Remark(what, ("config", *at), "Larger ones: `mtu` of `underlay`, and of a physical network.")


def _lacking_plugins(lab: LabFile, plan: LabPlan) -> Iterator[Remark]:
    """Compare service plugins that the file names with those that its resources need."""
    given = lab.config.get("server", {}).get("DEFAULT", {}).get("service_plugins")
    if given is None:
        return
    there = ",".join(_option_lines(given)).split(",")
    for plugin in plan.service_plugins:
        if plugin not in there:
            what = f"what the file has in Neutron needs the service plugin {plugin!r}, too"
            yield Remark(what, ("config", "server", "DEFAULT", "service_plugins"))


def _option_lines(value: object) -> list[str]:
    return Option("DEFAULT", "service_plugins", kind="list value").lines(value)
