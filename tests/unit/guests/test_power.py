"""Guests that are stopped, started and rebooted; what is put back when it fails or is interrupted."""

from __future__ import annotations

import signal
import threading

import pytest

from fakevm.control import power
from fakevm.control.guests import Guests
from fakevm.control.power import NO_CHANGE, Power, Powered, Switch
from fakevm.errors import Conflict, FakevmError, NotFound, TimedOut
from fakevm.model.guest import GuestSeen

from .world import World, failed, guest, interface, port

SERVER = "50a58255-f3c3-5473-aae1-c3f6aa783ac3"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "LEAVING", 0.2)
    monkeypatch.setattr(power, "PAUSE", 0.01)


def world(state: str = "running") -> World:
    """A guest with two ports, one of which has its address by DHCP and the other none, and a link."""
    interfaces = (
        interface("eth0", "p0", addressing="dhcp"),
        interface("eth1", "p1"),
        interface("eth2", "core", kind="link"),
    )
    return World(
        guest("a", "h1", *interfaces, state=state),
        guest("b", "h2", state=state),
        ports=[port("p0", device_id="a"), port("p1", device_id="a")],
    )


def powered(made: World, timeout: float = 30.0, *, wait: bool = True) -> Power:
    return Power(made.neutron, made.agents, wait=wait, timeout=timeout)


def found(made: World, *names: str) -> dict[str, GuestSeen | FakevmError]:
    return Guests(made.neutron, made.agents).each(names)


def interrupt() -> None:
    """Send the signal a little later: when all work has been handed to threads, one of which waits in vain."""
    main = threading.main_thread().ident or 0
    threading.Timer(0.2, lambda: signal.pthread_kill(main, signal.SIGINT)).start()


def one(made: World, do: object, timeout: float = 30.0) -> Powered:
    outcome = powered(made, timeout).each(do, found(made, "a"))["a"]  # type: ignore[arg-type]
    if isinstance(outcome, FakevmError):
        raise outcome
    return outcome


def test_a_stop_ends_it_alone_and_a_second_one_changes_nothing() -> None:
    made = world()
    assert one(made, Switch.stop).result == "stopped"
    assert made.claimed == ["p0", "p1", "a"]
    assert one(made, Switch.stop).result == NO_CHANGE
    assert made.done == ["stop a"]


def test_a_start_waits_until_ports_are_wired_and_addressed_as_they_were() -> None:
    made = world("stopped")
    outcome = one(made, Switch.start)
    assert (outcome.result, outcome.guest.state) == ("started", "running")
    assert made.done == ["start a", "address p0 dhcp"]
    assert one(made, Switch.start).result == NO_CHANGE


@pytest.mark.parametrize("do", [Switch.start, Switch.reboot])
def test_a_start_waits_until_neutron_has_seen_the_ports_go(do: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "LEAVING", 60.0)
    made = world("stopped" if do is Switch.start else "running")
    made.late = 3
    seen: list[int] = []
    made.before = lambda what: seen.append(made.late) if what == "start a" else None
    one(made, do)
    assert seen == [-1], "looked until they were DOWN"
    made.late = 10**6
    monkeypatch.setattr(power, "LEAVING", 0.1)
    one(made, Switch.reboot)
    assert seen[-1] > 0, "but not for ever"


def test_one_that_runs_but_is_not_as_it_should_be_is_started() -> None:
    made = world()
    made.change("h1", "a", problem="its namespace is gone")
    assert one(made, Switch.start).result == "started"


def test_a_start_whose_ports_are_not_wired_in_time_is_taken_back() -> None:
    made = world("stopped")
    made.unwired.add("p1")
    with pytest.raises(TimedOut, match=r"port p1.* was not ACTIVE") as caught:
        one(made, Switch.start, timeout=0.3)
    assert "Undone: stopped guest a again" in caught.value.hint
    assert made.done[-1] == "stop a"


def test_nobody_waits_if_it_is_not_wanted() -> None:
    made = world("stopped")
    made.unwired |= {"p0", "p1"}
    outcome = powered(made, wait=False).each(Switch.start, found(made, "a"))["a"]
    assert isinstance(outcome, Powered)
    assert made.done == ["start a"]


def test_a_port_that_was_deleted_or_set_down_meanwhile_is_not_waited_for() -> None:
    made = world("stopped")
    del made.ports["p0"]
    made.ports["p1"]["admin_state_up"] = False
    made.unwired.add("p1")
    outcome = one(made, Switch.start)
    assert "Neutron has no port p0 any more: fakevm interface detach a eth0" in outcome.problem
    assert made.done == ["start a"]


def test_a_reboot_stops_and_starts_and_leaves_it_running_when_its_ports_are_late() -> None:
    made = world()
    assert one(made, Switch.reboot).result == "rebooted"
    assert made.done == ["stop a", "start a", "address p0 dhcp"]
    made.unwired.add("p1")
    with pytest.raises(TimedOut) as caught:
        one(made, Switch.reboot, timeout=0.3)
    assert "guest a runs; `fakevm guest show a`" in caught.value.hint
    assert made.guests["h1", "a"].state == "running"


def test_a_reboot_that_fails_half_way_starts_the_guest_again() -> None:
    made = world()
    tries = iter([1])

    def fail_once(what: str) -> None:
        if what == "start a" and next(tries, 0):
            raise FakevmError("no room")

    made.before = fail_once
    with pytest.raises(FakevmError, match="no room") as caught:
        one(made, Switch.reboot)
    assert "Undone: started guest a" in caught.value.hint
    assert made.guests["h1", "a"].state == "running"


def test_an_interrupted_start_is_taken_back_for_all_that_are_not_done() -> None:
    made = world("stopped")
    made.unwired.add("p1")

    made.before = lambda what: interrupt() if what == "address p0 dhcp" else None
    with pytest.raises(KeyboardInterrupt):
        powered(made).each(Switch.start, found(made, "a", "b"))
    assert made.guests["h1", "a"].state == "stopped"
    assert made.guests["h2", "b"].state == "running"


def test_an_interrupted_reboot_says_that_the_guest_runs(caplog: pytest.LogCaptureFixture) -> None:
    made = world()
    once = iter([interrupt])
    made.before = lambda what: next(once, lambda: None)() if what == "start a" else None
    made.unwired.add("p1")
    with pytest.raises(KeyboardInterrupt):
        powered(made).each(Switch.reboot, found(made, "a"))
    assert made.guests["h1", "a"].state == "running"
    assert "guest a runs" in caplog.text or "Undone: started guest a" in caplog.text


def test_the_failure_of_one_does_not_keep_the_others() -> None:
    made = world()
    outcomes = powered(made).each(Switch.stop, found(made, "a", "nobody", "b"))
    assert list(outcomes) == ["a", "nobody", "b"]
    assert isinstance(failed(outcomes["nobody"]), NotFound)
    assert sorted(made.done) == ["stop a", "stop b"]


@pytest.mark.parametrize("do", [Switch.stop, Switch.start, Switch.reboot, Switch.remove])
def test_a_guest_that_is_asleep_is_left_alone(do: object) -> None:
    made = world()
    made.change("h1", "a", asleep=True)
    with pytest.raises(Conflict, match="guest a is asleep on h1") as caught:
        one(made, do)
    assert "migrate --recover a" in caught.value.hint
    assert made.done == []


def test_a_guest_without_interfaces_is_made_where_it_is_wanted_and_removed() -> None:
    made = world()
    assert powered(made).create("new", "h3").result == "created"
    assert made.guests["h3", "new"].kind == "container"
    assert powered(made).create("new", "h3").result == NO_CHANGE
    made.change("h3", "new", state="stopped")
    assert powered(made).create("new", "h3").result == "started"
    with pytest.raises(Conflict, match="guest new is on h3"):
        powered(made).create("new", "h1")
    assert isinstance(powered(made).each(Switch.remove, found(made, "new"))["new"], Powered)
    assert ("h3", "new") not in made.guests


def test_no_second_guest_gets_the_name_of_another() -> None:
    made = World(guest(SERVER, "h1", name="web1"))
    with pytest.raises(Conflict, match=rf"guest web1 \({SERVER}\) is on h1: it has that name"):
        powered(made).create("web1", "h2")
