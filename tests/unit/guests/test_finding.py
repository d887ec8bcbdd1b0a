"""Guests are found by every word that users have for them, and are on one host only."""

from __future__ import annotations

import pytest

from fakevm.control.guests import FEW, Guests
from fakevm.errors import AgentDown, Ambiguous, Conflict, NotFound

from .world import World, guest, interface, port

SERVER = "50a58255-f3c3-5473-aae1-c3f6aa783ac3"


def world(silent: str = "") -> World:
    """A lab file's guest with two ports, the second of which has a name of its own; and one without any port."""
    return World(
        guest(SERVER, "h1", interface("eth0", "aa10"), interface("eth1", "bb10"), name="web1"),
        guest("router1", "h2", interface("eth0", "core", kind="link")),
        ports=[
            port("aa10", name="web1", device_id=SERVER, **{"binding:host_id": "h1"}),
            port("bb10", name="database", device_id=SERVER, **{"binding:host_id": "h1"}),
            port("cc10", name="unplugged", device_id="x", **{"binding:host_id": "h3"}),
        ],
        silent=silent,
    )


def guests(made: World) -> Guests:
    return Guests(made.neutron, made.agents)


@pytest.mark.parametrize("words", ["web1", SERVER, SERVER.upper(), "aa10", "bb10", "AA", "50a58255", "database"])
def test_a_guest_is_found_by_its_name_its_id_its_ports_and_the_beginning(words: str) -> None:
    assert guests(world()).find(words).id == SERVER


@pytest.mark.parametrize("words", ["router1", "rout"])
def test_a_guest_without_any_port_is_found_too(words: str) -> None:
    assert guests(world()).find(words).host == "h2"


def test_where_no_guest_is_none_is_found() -> None:
    with pytest.raises(NotFound, match="there is no guest 'web1'"):
        guests(World()).find("web1")


def test_a_link_is_no_name_of_a_guest() -> None:
    with pytest.raises(NotFound, match="there is no guest 'core'"):
        guests(world()).find("core")


def test_what_fits_two_guests_is_refused_with_both() -> None:
    made = World(guest("a1", "h1"), guest("a2", "h2"))
    with pytest.raises(Ambiguous, match="2 guests fit 'a':\n  a1  a1  on h1\n  a2  a2  on h2"):
        guests(made).find("a")
    assert guests(made).find("a", "h2").id == "a2"


def test_a_guest_that_is_on_another_host_is_told_with_that() -> None:
    assert guests(world()).find("web1", "h1").host == "h1"
    with pytest.raises(NotFound, match=rf"guest web1 \({SERVER}\) is on h1, not on h2"):
        guests(world()).find("web1", "h2")
    with pytest.raises(NotFound, match="there is no host 'h9'"):
        guests(world()).find("web1", "h9")


def test_of_a_guest_that_moves_the_one_that_is_awake_is_meant() -> None:
    made = World(guest("a", "h1"), guest("a", "h2", asleep=True))
    assert guests(made).find("a").host == "h1"
    made.change("h2", "a", asleep=False)
    with pytest.raises(Ambiguous, match="guest a is on h1, h2"):
        guests(made).find("a")
    assert guests(made).find("a", "h2").host == "h2"


def test_a_guest_that_is_not_plugged_may_be_on_a_host_that_does_not_answer() -> None:
    with pytest.raises(NotFound, match=r"port cc10 \(x\) is not plugged on any host"):
        guests(world()).find("unplugged")
    with pytest.raises(AgentDown, match=r"the guest of port cc10 \(x\) may be on h3: it did not answer; Upgrade it."):
        guests(world(silent="h3")).find("unplugged")
    for made in (world(silent="h3"), World(silent="h3")):
        with pytest.raises(NotFound, match="there is no guest 'nobody'"):
            guests(made).find("nobody")
    with pytest.raises(NotFound) as caught:
        guests(world(silent="h3")).find("nobody")
    assert "h3 was not asked: it did not answer; Upgrade it." in caught.value.hint


def test_all_are_listed_and_hosts_that_do_not_answer_are_named() -> None:
    found, unasked = guests(world(silent="h2")).rows()
    assert [each.id for each in found] == [SERVER]
    assert unasked == ["h2: it did not answer; Upgrade it."]
    assert [each.id for each in guests(world()).rows("h2")[0]] == ["router1"]


@pytest.mark.parametrize("others", [0, FEW + 1])
def test_a_guest_is_refused_on_another_host_than_it_is_on(others: int) -> None:
    more = {f"new{n}": "h3" for n in range(others)}
    guests(world()).refuse_elsewhere({SERVER: "h1", "new": "h2", **more})
    with pytest.raises(Conflict, match="guest router1 is on h2: it cannot have an interface on h3") as caught:
        guests(world()).refuse_elsewhere({"router1": "h3", **more})
    assert "--host h2" in caught.value.hint


def test_a_guest_that_is_stopped_gets_no_interface_but_says_what_starts_it() -> None:
    made = world()
    made.change("h2", "router1", state="stopped")
    with pytest.raises(Conflict, match="guest router1 is stopped on h2") as caught:
        guests(made).refuse_elsewhere({"router1": "h2"})
    assert caught.value.hint == "Start it first: fakevm guest start router1"


def test_a_guest_whose_port_is_bound_where_nobody_answers_is_refused_elsewhere() -> None:
    made = world(silent="h3")
    guests(made).refuse_elsewhere({"x": "h3", "new": "h1"})
    with pytest.raises(AgentDown, match="guest x may be on h3, where its port cc10 is bound"):
        guests(made).refuse_elsewhere({"x": "h1"})


def test_the_host_of_a_guest_is_known() -> None:
    assert guests(world()).home("router1") == "h2"
    assert guests(world()).home("nobody") is None
