"""What is drawn of a lab: boxes and the lines between them; no more of each than can be read.

A few guests are drawn with their interfaces and addresses, many by name; and guests of one host that are attached to
the same things are drawn together, as cells of one box with one line to each of these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fakevm.model.graph import End, Graph, GuestNode, HostNode, InterfaceNode, LinkNode
from fakevm.model.series import ordered

# So many guests are drawn with their interfaces.
DETAILED = 8
# Guests that are alike are drawn together from so many of them on; those with links only where there are many guests.
_ALIKE = 6
_MANY = 30


@dataclass(frozen=True)
class Cell:
    """A guest within a box of many."""

    title: str
    state: str = ""
    tip: str = ""


@dataclass(frozen=True)
class Box:
    """Something that is drawn as a box. ``lines`` are below its title; ``group`` is the host in which it is drawn."""

    key: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    group: str = ""
    state: str = ""
    tip: str = ""
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line between two boxes, by their keys; ``near`` and ``far`` are what is written at its ends."""

    one: str
    other: str
    kind: str
    near: str = ""
    far: str = ""
    label: str = ""
    state: str = ""
    tip: str = ""


@dataclass(frozen=True)
class Scene:
    """A picture before it is laid out; ``groups`` are the hosts, with what is said of each."""

    title: str
    groups: dict[str, str]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]

    @property
    def kinds(self) -> set[str]:
        """Name all kinds, and states, of what is drawn: what a legend explains."""
        found = {box.kind for box in self.boxes} | {line.kind for line in self.lines}
        states = {line.state for line in self.lines} | {box.state for box in self.boxes}
        states |= {cell.state for box in self.boxes for cell in box.cells}
        return found | {f"{state} state" for state in states if state}


def scene(graph: Graph, *, whole: bool = False) -> Scene:
    """Choose what is drawn. ``whole``: every guest by itself, with all its interfaces."""
    groups = {host.name: _host(host) for host in graph.hosts}
    detailed = whole or len(graph.guests) <= DETAILED
    alike = [] if detailed else list(_alike(graph))
    home = {guest.name: f"guests:{index}" for index, group in enumerate(alike) for guest in group}
    single = [guest for guest in graph.guests if guest.name not in home]
    boxes = [
        *_of_neutron(graph),
        *(Box(f"bridge:{bridge.name}", "bridge", bridge.name) for bridge in graph.bridges),
        *(_guest(guest, detailed) for guest in single),
        *(_together(f"guests:{index}", group) for index, group in enumerate(alike)),
        *_outside(graph),
    ]
    lines = _lines(graph, {guest.name: f"guest:{guest.name}" for guest in graph.guests} | home)
    return Scene(graph.name, groups, tuple(boxes), tuple(lines))


def hosts_in_boxes(scene: Scene) -> Scene:
    """Say of each guest on which host it is, where hosts are not drawn around them, and there are several."""
    if len(scene.groups) < 2:
        return scene
    said = (replace(box, lines=(*box.lines, f"on {box.group}")) if box.group else box for box in scene.boxes)
    return replace(scene, boxes=tuple(said))


def _host(host: HostNode) -> str:
    """Say what a host is, as far as it is not the usual."""
    roles = () if host.roles == ("compute",) else host.roles
    said = ", ".join(filter(None, (_unusual(host.state), *roles)))
    return f"{host.name}: {said}" if said else host.name


def _of_neutron(graph: Graph) -> Iterator[Box]:
    for network in graph.networks:
        said = tuple(dict.fromkeys(network.subnets.values()))
        kind = "external" if network.external else "network"
        yield Box(f"network:{network.name}", kind, network.name, said, tip=" ".join((network.type, kind)).strip())
    for router in graph.routers:
        yield Box(f"router:{router.name}", "router", router.name, tip="router")


def _guest(guest: GuestNode, detailed: bool) -> Box:
    lines = tuple(filter(None, map(_words, guest.interfaces))) if detailed else ()
    state = _unusual(guest.state)
    shown = (*lines, state) if state else lines
    return Box(f"guest:{guest.name}", "guest", guest.name, shown, guest.host, state, _tip(guest))


def _together(key: str, guests: Sequence[GuestNode]) -> Box:
    named = {guest.name: guest for guest in guests}
    cells = tuple(Cell(name, _unusual(named[name].state), _tip(named[name])) for name in ordered(named))
    return Box(key, "guests", f"{len(guests)} guests", (), guests[0].host, cells=cells)


def _words(interface: InterfaceNode) -> str:
    return " ".join(filter(None, (interface.name, *interface.addresses)))


def _unusual(state: str) -> str:
    return "" if state == "running" else state


def _tip(guest: GuestNode) -> str:
    said = " ".join(filter(None, (guest.name, f"on {guest.host}" if guest.host else "", guest.kind, guest.state)))
    attached = (", ".join(filter(None, (f"{_words(i)}: {i.kind} {i.attached}", _befalls(i)))) for i in guest.interfaces)
    return "\n".join((said, *attached))


def _outside(graph: Graph) -> Iterator[Box]:
    """Give what is at a link's end that is no guest."""
    far = dict.fromkeys(end.interface for link in graph.links for end in link.ends if not end.guest)
    yield from (Box(f"far:{name}", "far", name) for name in far)


# -- guests that are drawn together ------------------------------------------------------------------------------


def _alike(graph: Graph) -> Iterator[Sequence[GuestNode]]:
    """Find guests of one host that are attached to the same things, where there are some."""
    found: dict[tuple[object, ...], list[GuestNode]] = defaultdict(list)
    many = len(graph.guests) > _MANY
    neighbours = _neighbours(graph)
    for guest in graph.guests:
        if many or not neighbours[guest.name]:
            others = {(i.kind, i.attached) for i in guest.interfaces if i.kind in ("network", "bridge")}
            found[guest.host, frozenset(others), frozenset(neighbours[guest.name])].append(guest)
    yield from (group for group in found.values() if len(group) >= _ALIKE)


def _neighbours(graph: Graph) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for link in graph.links:
        one, other = link.ends
        for end, far in ((one, other), (other, one)):
            if end.guest:
                found[end.guest].add(far.guest or far.interface)
    return found


# -- lines -------------------------------------------------------------------------------------------------------


def _lines(graph: Graph, boxes: dict[str, str]) -> Iterator[Line]:
    for router in graph.routers:
        if router.gateway:
            yield Line(f"network:{router.gateway}", f"router:{router.name}", "gateway", tip="the way out")
        for network in router.networks:
            yield Line(f"router:{router.name}", f"network:{network}", "port")
    for kind in ("network", "bridge"):
        yield from dict.fromkeys(_to(kind, guest, interface, boxes) for guest, interface in graph.attached(kind))
    yield from _links(graph, boxes)


def _to(kind: str, guest: GuestNode, interface: InterfaceNode, boxes: dict[str, str]) -> Line:
    """Draw the line to a network or a bridge; those of guests that are drawn together are the same."""
    one, other, look = f"{kind}:{interface.attached}", boxes[guest.name], "port" if kind == "network" else "link"
    if other.startswith("guests:"):
        return Line(one, other, look)
    befalls = _befalls(interface)
    tip = ", ".join(filter(None, (f"{guest.name}:{_words(interface)}", befalls)))
    return Line(one, other, look, far=interface.name, state="impaired" if befalls else "", tip=tip)


def _links(graph: Graph, boxes: dict[str, str]) -> Iterator[Line]:
    bundles: dict[tuple[str, ...], list[LinkNode]] = defaultdict(list)
    befalls = {End(guest.name, each.name): _befalls(each) for guest, each in graph.attached("link")}
    for link in graph.links:
        impaired = "; ".join(f"{end.words}: {said}" for end in link.ends if (said := befalls.get(end)))
        keys = [boxes.get(end.guest, f"far:{end.interface}") for end in link.ends]
        if any(key.startswith("guests:") for key in keys):
            bundles[tuple(keys)].append(link)
            continue
        near, far = (end.interface if end.guest else "" for end in link.ends)
        state = link.state if link.state not in ("", "up") else "impaired" if impaired else ""
        yield Line(
            keys[0], keys[1], "link", near, far, "" if state == "impaired" else state, state, _told(link, impaired)
        )
    for (one, other), links in bundles.items():
        yield Line(one, other, "link", label=f"{len(links)} links", tip="\n".join(map(_told, links)))


def _befalls(interface: InterfaceNode) -> str:
    told = (("sends", interface.sent), ("receives", interface.received))
    return ", ".join(f"{which} with {said}" for which, said in told if said)


def _told(link: LinkNode, impaired: str = "") -> str:
    said = f"{link.name}: {link.ends[0].words} -- {link.ends[1].words}"
    carrier = link.carrier if link.carrier != "veth" else ""
    return ", ".join(filter(None, (said, carrier, impaired, link.state, link.problem)))
