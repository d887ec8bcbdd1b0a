"""What a lab file wants of Neutron: resources by name, with references to one another instead of ids; their kinds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

# What Neutron tells of something, by its attributes.
Seen = Mapping[str, Any]

# What we make is marked with this, and nothing without it is touched.
TAG = "fakevm"
NOTHING = object()
"""In the place of a value: nothing can be said."""


class Ref(NamedTuple):
    """A resource by its kind and name; in attributes it stands for the resource's id."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class AddressOf(NamedTuple):
    """In attributes it stands for the address of a port, which may be Neutron's choice: of IPv4, if it has one."""

    port: Ref

    def __str__(self) -> str:
        return f"the address of {self.port.name}"


class Project(str):
    """A project by its name; in attributes it stands for the project's id."""

    __slots__ = ()


@dataclass(frozen=True)
class Resource:
    """A resource: its attributes as Neutron's API takes them, but with a Ref where an id belongs.

    ``parent`` is the resource of which it is a part (a rule of its group, an interface of its router).
    """

    ref: Ref
    attributes: dict[str, Any]
    parent: Ref | None = None


# Gives the reference to what has an id: by the name that the lab file has for it, if it has one.
Naming = Callable[[str, str], Ref]


class Elsewhere(NamedTuple):
    """Where Neutron tells of parts that it does not tell with the whole; ``path`` may hold the whole's id."""

    path: str
    filters: Mapping[str, str | Sequence[str]]
    read: Callable[[Iterable[Seen], Mapping[str, str]], Iterable[tuple[str, Seen]]]
    """Given what is listed there, and the names of what is known by ids: the parts' names, and what is seen of each."""
    told: bool = True
    """Of those that are listed for each whole: whether the whole tells if there are any."""

    @property
    def of_each(self) -> bool:
        """Whether they are listed for each whole alone: each then has its ``parent``, the whole's id.

        The whole itself tells whether there are any, under the collection's name, if it is ``told``.
        """
        return "{parent}" in self.path

    @staticmethod
    def called(
        words: Callable[[Seen], str], whole: str = "parent"
    ) -> Callable[[Iterable[Seen], Mapping[str, str]], Iterator[tuple[str, Seen]]]:
        """Give a ``read`` for parts that are called by their whole's name and by words of their own.

        :param whole: the attribute that is the whole's id
        """

        def read(rows: Iterable[Seen], names: Mapping[str, str]) -> Iterator[tuple[str, Seen]]:
            for row in rows:
                if name := names.get(row[whole]):
                    yield f"{name}: {words(row)}", {**row, "parent": row[whole]}

        return read


@dataclass(frozen=True)
class Kind:
    """A kind of resource: how Neutron's API names it, and what can be done to one that is there (docs/adr/0038)."""

    name: str
    plural: str
    path: str
    """In the API; it may hold the parent's id."""
    key: str
    """What wraps a resource in requests and answers; empty: nothing does."""
    label: str = "name"
    """The attribute that holds our name; kinds without one are parts of others, and have no marks either."""
    mark: Literal["tag", "description", "project"] = "tag"
    """How we mark what we make; not all kinds have tags. All that lab files make is in one project."""
    method: Literal["POST", "PUT", "GET"] = "POST"
    """How it is made; GET: Neutron makes it with the whole, and it is found by its attributes."""
    extension: str = ""
    """The API's extension that it needs, where not every Neutron has it."""
    service_plugin: str = ""
    """The service plugin that it needs, where not every backend loads it."""

    identified_by: str = "id"
    """The attribute by which the API knows it."""

    part_of: str = ""
    """The kind of which it is a part; what refers to that one needs its parts, too."""
    after: Collection[str] = ()
    """Kinds that must all be there before it, though it does not refer to them."""
    for_running_guests: bool = False
    """Whether it is made when guests run: an agent would forget it before it has wired the port, or the router."""
    given: Collection[str] = ()
    """Names of those that Neutron makes by itself."""
    parts: Callable[[str, Seen, Naming], Iterable[tuple[Ref, Seen]]] = field(default=lambda *_: ())
    """Find the parts that Neutron tells with the whole, which has this name."""
    elsewhere: Elsewhere | None = None

    changeable: Mapping[str, Any] = field(default_factory=dict)
    """What Neutron can change in place, and what that is when a file does not speak of it; NOTHING: nobody knows."""
    cleared: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of attributes that are mappings: the keys that Neutron keeps unless it is told that they are None."""
    fixed: Callable[[Seen], bool] = field(default=lambda _: False)
    """Whether Neutron cannot change one that is wanted so, whatever it changes of others."""
    exclusive: Callable[[Seen], Any] = field(default=lambda _: None)
    """What no two may have at the same time, given the attributes of one; None: nothing."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """What Neutron changes only when another attribute is said, too: which one."""
    kept: Mapping[str, Callable[[Iterable[Seen], Iterable[Seen]], list[Seen]]] = field(default_factory=dict)
    """Lists of which Neutron keeps what a change does not speak of: what to say, given what is there and is wanted."""
    members: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """What is changed by adding and removing: the attribute, and the actions of the API for both."""
    compared: Sequence[str] = ()
    """What a file can say of it. What it does not say is as Neutron chose when it made the resource."""
    completed: Callable[[Seen], Collection[str]] = field(default=lambda _: ())
    """What Neutron adds to by itself later, of one that it tells so of."""
    is_neutrons: Callable[[Seen], bool] = field(default=lambda _: False)
    """Tell whether Neutron made one for itself."""

    used_until_changed: bool = False
    """Whether others let go of it when they are changed: it is removed after that."""
    goes_along: bool = False
    """Whether Neutron removes it with the whole."""
    holds: bool = False
    """Whether Neutron does not remove it while something uses the whole."""
    one_by_one: bool = False
    """Whether Neutron refuses to make two of one whole at the same time."""
    in_one_request: bool = False
    """Whether Neutron makes all that are of one whole in one request."""
    removed_by: tuple[str, str] | None = None
    """How it is removed, if not by DELETE: a path, to which an attribute is PUT."""
    emptied: Mapping[str, Any] | None = None
    """For what is but an attribute of the whole: what that is when it is gone."""

    @property
    def collection(self) -> str:
        """What holds the list in an answer."""
        return self.path.rpartition("/")[2].replace("-", "_")


def refs(value: Any) -> Iterator[Ref]:
    """Find all references in attributes."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, AddressOf):
        yield value.port
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from refs(item)


Known = Mapping[Ref | AddressOf | Project, str]


def known(seen: Mapping[Ref, Seen]) -> dict[Ref | AddressOf | Project, str]:
    """Give what can be put in the place of references: ids, and the addresses of ports."""
    found: dict[Ref | AddressOf | Project, str] = {ref: str(one["id"]) for ref, one in seen.items() if "id" in one}
    for ref, one in seen.items():
        addresses = [fixed["ip_address"] for fixed in one.get("fixed_ips") or () if isinstance(fixed, Mapping)]
        # IPv4 first: it has no colon.
        found |= {AddressOf(ref): address for address in sorted(addresses, key=lambda text: ":" in text)[:1]}
    return found


def resolved(value: Any, ids: Known) -> Any:
    """Put ids and addresses in the place of references. Raises KeyError for what is not there."""
    if isinstance(value, Ref | AddressOf | Project):
        return ids[value]
    if isinstance(value, dict):
        return {key: resolved(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, ids) for item in value]
    return value
