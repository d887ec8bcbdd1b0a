"""Pictures of labs: what is drawn of one, in which order, and that it can be read."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fakevm.lab import reading
from fakevm.lab.graph import written
from fakevm.model.graph import End, Graph, GuestNode, HostNode, InterfaceNode, LinkNode, NetworkNode, RouterNode
from fakevm.view.graph import dot, ends, layout, mermaid, svg
from fakevm.view.graph.order import order
from fakevm.view.graph.scene import scene

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*/lab.yaml"))


def linked(names: list[str], pairs: list[tuple[str, str]], *, host: str = "host1", state: str = "") -> Graph:
    """Make a graph of guests and links; each link takes a further interface of both."""
    used = dict.fromkeys(names, 0)
    interfaces: dict[str, list[InterfaceNode]] = {name: [] for name in names}
    links = []
    for one, other in pairs:
        pair = []
        for name in (one, other):
            used[name] += 1
            pair.append(End(name, f"eth{used[name]}"))
            interfaces[name].append(InterfaceNode(name=pair[-1].interface, kind="link", attached=f"{one}-{other}"))
        links.append(LinkNode(name=f"{one}-{other}", ends=(pair[0], pair[1]), state=state))
    guests = tuple(GuestNode(name=name, host=host, interfaces=tuple(interfaces[name])) for name in names)
    return Graph(name="made", source="file", hosts=(HostNode(name=host),), guests=guests, links=tuple(links))


def leaf_spine(spines: int, leaves: int, *, ring: bool) -> Graph:
    top, low = [f"spine{n + 1}" for n in range(spines)], [f"leaf{n + 1}" for n in range(leaves)]
    pairs = [(spine, leaf) for leaf in low for spine in top]
    pairs += list(zip(low, [*low[1:], low[0]], strict=True)) if ring else []
    return linked([*top, *low], pairs)


def port(address: str) -> InterfaceNode:
    return InterfaceNode(name="eth0", kind="network", attached="private", addresses=(address,))


def on_a_network(guests: int, hosts: int) -> Graph:
    names = [f"host{n + 1}" for n in range(hosts)]
    made = tuple(
        GuestNode(
            name=f"vm{n + 1}",
            host=names[n % hosts],
            state="stopped" if n == 3 else "running",
            interfaces=(port(f"10.0.0.{n + 9}"),),
        )
        for n in range(guests)
    )
    networks = (
        NetworkNode(name="public", external=True, subnets={"p4": "203.0.113.0/24"}),
        NetworkNode(name="private", subnets={"private4": "10.0.0.0/24"}),
    )
    router = RouterNode(name="router", networks=("private",), gateway="public")
    return Graph(
        name="many", source="lab", hosts=tuple(HostNode(name=name) for name in names), guests=made, networks=networks,
        routers=(router,),
    )  # fmt: skip


def line(number: int) -> Graph:
    names = [f"r{n + 1}" for n in range(number)]
    return linked(names, list(pairwise(names)))


UNEQUAL = ("quite-a-long-name", "b", "c")
GRAPHS = {
    "three": line(3),
    "leaf-spine": leaf_spine(4, 16, ring=True),
    "120 on a network": on_a_network(120, 10),
    "120 on one host": on_a_network(120, 1),
    "120 leaves": leaf_spine(8, 112, ring=False),
    "line of 120": line(120),
    "ring": linked([f"r{n}" for n in range(8)], [(f"r{n}", f"r{(n + 1) % 8}") for n in range(8)]),
    "wide and narrow": linked(["hub", *UNEQUAL], [("hub", name) for name in UNEQUAL]),
    "mesh": linked([f"r{n}" for n in range(5)], [(f"r{a}", f"r{b}") for a, b in combinations(range(5), 2)]),
    "empty": Graph(name="empty", source="file"),
    "only a host": Graph(name="empty", source="file", hosts=(HostNode(name="host1"),)),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_nothing_is_drawn_over_anything_else_and_all_fits_a_screen(name: str) -> None:
    drawn = scene(GRAPHS[name])
    laid = layout.lay_out(drawn, order(drawn))
    assert set(laid.boxes) == {box.key for box in drawn.boxes}
    for (one, here), (other, there) in combinations(laid.boxes.items(), 2):
        assert not here.touches(there), (one, other)
    words = ends.place(laid)
    for one_word, other_word in combinations(words, 2):
        assert not one_word.there.touches(other_word.there)
    root = ElementTree.fromstring(svg.draw(drawn))
    wide, high = (float(root.attrib[side]) for side in ("width", "height"))
    # At most so much larger than a screen that its letters can still be read when it is made to fit.
    assert wide <= 2000
    assert high <= 1600


def test_every_guest_is_in_the_picture_whatever_is_drawn_together() -> None:
    for graph in GRAPHS.values():
        text = "".join(ElementTree.fromstring(svg.draw(scene(graph))).itertext())
        assert not [guest.name for guest in graph.guests if guest.name not in text]


def test_a_leaf_spine_is_in_layers() -> None:
    chosen = order(scene(GRAPHS["leaf-spine"]))
    assert chosen.way == "down"
    assert {key.rstrip("0123456789"): level for key, level in chosen.levels.items()} == {
        "guest:spine": 0,
        "guest:leaf": 1,
    }
    laid = layout.lay_out(scene(GRAPHS["leaf-spine"]), chosen)
    heights = {key: round(there.y) for key, there in laid.boxes.items()}
    assert len({y for key, y in heights.items() if "spine" in key}) == 1
    assert len({y for key, y in heights.items() if "leaf" in key}) == 1


def test_networks_are_above_guests_and_routers_between() -> None:
    levels = order(scene(GRAPHS["120 on a network"])).levels
    assert levels["network:public"] < levels["router:router"] < levels["network:private"]
    assert all(level > levels["network:private"] for key, level in levels.items() if key.startswith("guest"))


@pytest.mark.parametrize(("name", "way"), [("three", "right"), ("ring", "circle"), ("mesh", "circle")])
def test_rows_and_circles(name: str, way: str) -> None:
    assert order(scene(GRAPHS[name])).way == way


def test_few_guests_are_drawn_with_their_interfaces() -> None:
    text = svg.draw(scene(GRAPHS["three"]))
    assert text.count(">eth1<") >= 3
    assert ">link<" in text


def test_a_link_that_is_cut_and_a_stopped_guest_look_so() -> None:
    cut = scene(linked(["a", "b"], [("a", "b")], state="cut"))
    assert 'class="line link cut"' in svg.draw(cut)
    assert "color=red" in dot.write(cut)
    assert "-.-" in mermaid.write(cut)
    assert re.search(r'class="cell stopped"[^§]*?>vm4<', svg.draw(scene(GRAPHS["120 on a network"])))


def test_strange_names_are_only_names() -> None:
    strange = Graph(
        name='a"b', source="lab", guests=(GuestNode(name='x"]; <script>&\n', host=""),),
        networks=(NetworkNode(name="</svg>"),),
    )  # fmt: skip
    whole = scene(strange, whole=True)
    root = ElementTree.fromstring(svg.draw(whole))
    assert root.find("{*}script") is None
    done = subprocess.run(["dot", "-Tjson0"], input=dot.write(whole), capture_output=True, text=True, check=True)
    assert len(json.loads(done.stdout)["objects"]) == 2
    assert "<script>" not in mermaid.write(whole)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_pictures_are_current(file: Path) -> None:
    """What is drawn, not where: another Graphviz puts it elsewhere. `make pictures` draws them anew."""
    drawn = svg.draw(scene(written.graph(reading.load(file))))
    kept = (file.parent / "picture.svg").read_text()
    assert _shown(kept) == _shown(drawn)
    assert "](picture.svg)" in (file.parent / "README.md").read_text()


def _shown(text: str) -> list[tuple[str, str, str]]:
    parts = ElementTree.fromstring(text).iter()
    return sorted((part.tag, part.get("class", ""), (part.text or "").strip()) for part in parts)
