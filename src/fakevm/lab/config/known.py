"""What each of Neutron's programs knows: the options of its release's libraries that it reads."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fakevm.model.labfile.config import Sections
from fakevm.release import options

from .option import Option

Key = tuple[str, str]
# What Neutron's programs have in common, and what its agents have (neutron/opts.py, and the lists of namespaces in
# Neutron's etc/oslo-config-generator, 25.2.3 to 29.0.0; oslo.config takes what it does not know without a word).
_COMMON = (
    "neutron", "neutron.agent", "neutron.experimental", "cotyledon", "oslo.concurrency", "oslo.log", "oslo.messaging",
    "oslo.privsep", "oslo.reports", "oslo.service.periodic_task", "oslo.service.service", "oslo.service.sslutils",
    "oslo.service.wsgi", "oslo.versionedobjects", "osprofiler",
)  # fmt: skip
_AGENT = (*_COMMON, "neutron.az.agent", "neutron.base.agent")
# The L2 agents have some in common that only one of them lists (neutron/conf/plugins/ml2/drivers/agent.py).
#: the programs by their words, and the namespaces of which they read options
NAMESPACES: Mapping[str, tuple[str, ...]] = {
    "server": (
        *_COMMON, "neutron.db", "neutron.extensions", "designate.auth", "ironic.auth", "nova.auth", "placement.auth",
        "keystonemiddleware.audit", "keystonemiddleware.auth_token", "oslo.cache", "oslo.db", "oslo.middleware",
        "oslo.policy",
    ),
    "ml2": ("neutron.ml2", "neutron.ml2.ovn", "neutron.ml2.sriov"),
    "ovs_agent": (*_AGENT, "neutron.ml2.ovs.agent", "neutron.ml2.macvtap.agent"),
    "dhcp_agent": (*_AGENT, "neutron.dhcp.agent"),
    "l3_agent": (*_AGENT, "neutron.l3.agent"),
    "metadata_agent": (*_AGENT, "neutron.metadata.agent", "oslo.cache"),
    "ovn_agent": (*_AGENT, "neutron.ml2.ovn.agent", "neutron.ovn.metadata.agent"),
    "linuxbridge_agent": (*_AGENT, "neutron.ml2.linuxbridge.agent"),
    "metering_agent": (*_AGENT, "neutron.metering.agent"),
    "bgp_dragent": (*_AGENT, "bgp.agent"),
}  # fmt: skip


class Known:
    """The options of one program of a release, found by their names, also by those that they had once.

    ``others`` are those of all programs: who reads which is known less well than which there are.
    """

    def __init__(self, found: Iterable[tuple[dict[str, Any], Option]] = (), others: Known | None = None) -> None:
        self._options: dict[Key, Option] = {}
        self._former: dict[Key, Option] = {}
        self._others = others
        for entry, option in found:
            self._options.setdefault(key(option.section, option.name), option)
            for old in entry["former"]:
                self._former.setdefault(key(*old), option)

    def __iter__(self) -> Iterator[Option]:
        return iter(self._options.values())

    def __bool__(self) -> bool:
        """Whether anything is known: nothing is of a release that is not installed."""
        return bool(self._options)

    def find(self, section: str, name: str) -> Option | None:
        """Find an option. Sections may be written in any case, but for DEFAULT, as in oslo.config."""
        wanted = key(section, name)
        own = self._options.get(wanted) or self._former.get(wanted)
        return own or (self._others.find(section, name) if self._others else None)

    def is_own(self, section: str, name: str) -> bool:
        """Tell whether the program itself is known to read an option."""
        wanted = key(section, name)
        return wanted in self._options or wanted in self._former

    def is_former(self, section: str, name: str) -> bool:
        """Tell whether a name is one that the option does not have any more."""
        return key(section, name) not in self._options and key(section, name) in self._former

    def sections(self) -> list[str]:
        """Name the sections."""
        return list(dict.fromkeys(option.section for option in self))

    def named(self, section: str, name: str) -> Option:
        """Find an option, or give one of which no more is known than its name."""
        return self.find(section, name) or Option(section, name, kind="list value")


def of(word: str, release: str, python_path: tuple[Path, ...] = ()) -> Known:
    """Tell what a program of a release knows; ``python_path`` are folders with more modules that it may load.

    Raises NotFound, CommandFailed.
    """
    listing = _listed(release, python_path)
    if listing is None:
        # It may be installed meanwhile.
        _listed.cache_clear()
        return Known()
    return _of(word, release, python_path)


@functools.cache
def _listed(release: str, python_path: tuple[Path, ...]) -> options.Listing | None:
    return options.listed(release, python_path)


@functools.cache
def _of(word: str, release: str, python_path: tuple[Path, ...]) -> Known:
    listing = _listed(release, python_path)
    if listing is None:
        return Known()
    found = [(entry, _option(section, entry)) for section, entries in listing.sections.items() for entry in entries]
    if word not in NAMESPACES:
        return Known(found)
    own = {*NAMESPACES[word], *listing.foreign}
    listed = {key(option.section, option.name) for entry, option in found if entry["namespace"]}
    return Known(
        # What no library lists may be anybody's.
        (pair for pair in found if pair[0]["namespace"] in own or key(*pair[1][:2]) not in listed),
        Known(found),
    )


def _option(section: str, entry: Mapping[str, Any]) -> Option:
    return Option(
        section=section,
        name=entry["name"],
        kind=entry["kind"],
        item=entry["item"],
        default=entry["default"],
        minimum=entry["minimum"],
        maximum=entry["maximum"],
        choices=tuple(entry["choices"]),
        secret=entry["secret"],
        help=entry["help"],
        removal=entry["removal"],
    )


def key(section: str, name: str) -> Key:
    """Give what tells options apart, however they are written."""
    return section if section == "DEFAULT" else section.lower(), name.replace("-", "_")


def flat(known: Known, *given: Sections) -> dict[Key, tuple[Option, Any]]:
    """Give options by their present names, each with its value: what comes later wins."""
    found: dict[Key, tuple[Option, Any]] = {}
    for sections in given:
        for section, values in sections.items():
            for name, value in values.items():
                option = known.named(section, name)
                found[key(option.section, option.name)] = option, value
    return found


def text(known: Known, *given: Sections) -> str:
    """Write the file of what a lab file says to a program: the lab's first, then its host's own."""
    sections: dict[str, list[str]] = {}
    for option, value in flat(known, *given).values():
        lines = sections.setdefault(option.section, [])
        lines += [f"{option.name} = {line}\n" for line in option.lines(value)]
    return "\n".join(f"[{section}]\n{''.join(lines)}" for section, lines in sections.items())
