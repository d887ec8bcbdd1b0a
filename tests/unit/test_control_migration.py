"""What is asked of Neutron and of both hosts when a guest moves, and when that fails."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fakevm.cli import migrate
from fakevm.control.migration import evacuation, recovery
from fakevm.control.migration.base import Migration, Move
from fakevm.control.migration.cold import ColdMigration
from fakevm.control.migration.live import LiveMigration
from fakevm.errors import Conflict, FakevmError, Gone, InvalidInput, NotFound
from fakevm.model.checkpoint import ProcessesSeen
from fakevm.model.daemon import Daemon, DaemonSeen
from fakevm.model.guest import GuestSettings
from fakevm.model.migration import MigrationReport

from .moves import GUEST, LINK, World

ONE_PORT = [
    "claim p p", "bind-b p", "plug b p asleep", "profile-b p", "prime b qfvp000000000", "pause a",
    "resume b qfvp000000000", "activate-b p", "remove a", "profile- p", "unbind-a p",
]  # fmt: skip


def migration(world: World, guest: str, kind: type[Migration] = LiveMigration, **more: object) -> Migration:
    move = Move(**{"guest": guest, "destination": "b", "probe_from": "none", **more})  # type: ignore[arg-type]
    return kind(world.neutron, world.agents, move)


def moved(world: World, guest: str, kind: type[Migration] = LiveMigration, **more: object) -> MigrationReport:
    return migration(world, guest, kind, **more).run()


@pytest.fixture
def world() -> World:
    """Give a Neutron and three hosts."""
    return World()


def is_whole(world: World, host: str, *ports: str, links: tuple[str, ...] = ()) -> None:
    """Make sure that a guest is on one host, awake, with all that it has, and that nothing else is left."""
    assert [name for name, each in world.hosts.items() if each.guests] == [host]
    (guest,) = world.hosts[host].guests.values()
    assert not guest.asleep
    assert sorted(one.attached.rstrip("0") for one in guest.interfaces) == sorted([*ports, *links])
    for port in ports:
        id_ = f"{port}{'0' * 30}"
        assert world.bindings_[id_] == {host: "ACTIVE"}
        assert world.ports_[id_]["binding:host_id"] == host
        assert world.ports_[id_]["binding:profile"] == {}


def test_a_guest_with_one_port_moves_in_the_order_of_0_1(world: World) -> None:
    world.add("p", instance="")
    report = moved(world, "p")
    assert world.asked == ONE_PORT
    assert [step.name for step in report.steps if step.name != "observe"] == [
        name for name in LiveMigration.step_names if name not in ("observe", "freeze")
    ]
    assert (report.result, report.guest_id, report.instance_id) == ("moved", f"p{'0' * 30}", "")
    is_whole(world, "b", "p")


def with_processes(world: World) -> World:
    world.add("p", instance="")
    world.processes = ProcessesSeen(movable=("nginx (7)",), problems=("sh (9) was started from outside",))
    return world


def test_processes_that_can_move_go_along_while_the_guest_is_paused(world: World) -> None:
    with_processes(world)
    report = moved(world, "p")
    switch = world.asked.index("pause a")
    assert world.asked[switch : switch + 3] == ["pause a", "checkpoint a", "restore b qfvp000000000"]
    assert "freeze" in [step.name for step in report.steps]
    assert not world.folders
    is_whole(world, "b", "p")


def test_processes_end_where_they_are_when_that_is_wanted(world: World) -> None:
    with_processes(world)
    moved(world, "p", processes="end")
    assert world.asked == ONE_PORT


@pytest.mark.parametrize("words", [{"fail_at": "freeze"}, {"delays": {"freeze": 1.0}}])
def test_a_guest_whose_processes_stay_has_no_step_freeze_to_fail_or_wait_at(
    world: World, words: dict[str, object]
) -> None:
    world.add("p", instance="")
    with pytest.raises(InvalidInput, match="no step 'freeze'"):
        moved(world, "p", **words)
    assert "pause a" not in world.asked
    is_whole(world, "a", "p")


def test_what_cannot_move_is_told_before_anything_is_done(world: World) -> None:
    with_processes(world)
    with pytest.raises(Conflict, match="was started from outside"):
        moved(world, "p", processes="move")
    assert "pause a" not in world.asked
    is_whole(world, "a", "p")


@pytest.mark.parametrize("broken", ["checkpoint a", "restore b qfvp000000000", "activate-b p"])
def test_processes_go_on_at_the_source_when_their_move_fails(world: World, broken: str) -> None:
    with_processes(world)
    world.processes = ProcessesSeen(movable=("nginx (7)",))
    world.breaks = broken
    with pytest.raises(FakevmError, match="broke"):
        moved(world, "p", processes="move")
    assert "resume a" in world.asked
    assert not world.folders
    is_whole(world, "a", "p")


@pytest.mark.parametrize("broken", ["checkpoint a", "restore b qfvp000000000"])
def test_a_guest_moves_without_what_turns_out_not_to_move(world: World, broken: str) -> None:
    with_processes(world)
    world.breaks = broken
    assert moved(world, "p").result == "moved"
    assert "resume b qfvp000000000" in world.asked
    assert not world.folders
    is_whole(world, "b", "p")


def test_a_guest_moves_without_its_processes_between_hosts_that_share_no_folder(world: World) -> None:
    with_processes(world)
    world.apart = True
    assert moved(world, "p").result == "moved"
    assert "resume b qfvp000000000" in world.asked
    is_whole(world, "b", "p")


def test_a_guest_moves_whose_processes_nobody_can_see(world: World) -> None:
    with_processes(world)
    world.breaks = "processes a"
    assert moved(world, "p").result == "moved"


def test_a_guest_that_cannot_have_its_processes_back_has_its_addresses(world: World) -> None:
    with_processes(world)
    world.breaks = "restore a qfvp000000000"
    with pytest.raises(FakevmError, match="made to fail"):
        moved(world, "p", fail_at="unplug-source")
    assert "resume a qfvp000000000" in world.asked
    is_whole(world, "a", "p")


@pytest.mark.parametrize(("kind", "told"), [("container", True), ("namespace", False)])
def test_processes_that_end_are_named_also_when_none_goes_along(
    world: World, caplog: pytest.LogCaptureFixture, kind: str, told: bool
) -> None:
    world.add("p", instance="")
    (guest,) = world.hosts["a"].guests.values()
    world.hosts["a"].guests[guest.id] = guest.model_copy(update={"kind": kind})
    world.processes = ProcessesSeen(problems=("there is no criu",))
    moved(world, "p")
    assert ("there is no criu" in caplog.text) == told


@pytest.mark.parametrize(("step", "since"), [("resume-destination", "restore b"), ("unplug-source", "remove a")])
def test_processes_that_went_on_at_the_destination_come_back_from_there(world: World, step: str, since: str) -> None:
    with_processes(world)
    with pytest.raises(FakevmError, match="made to fail"):
        moved(world, "p", fail_at=step)
    back = world.asked[next(place for place, said in enumerate(world.asked) if said.startswith(since)) + 1 :]
    assert [each for each in back if each.startswith(("checkpoint", "restore"))] == [
        "checkpoint b", "restore a qfvp000000000",
    ]  # fmt: skip
    is_whole(world, "a", "p")


@pytest.mark.parametrize("meant", [GUEST, "q", "p000"])
def test_a_guest_with_several_ports_and_a_link_moves_whole_with_one_pause(world: World, meant: str) -> None:
    world.add("p", "q", links=[LINK])
    report = moved(world, meant)
    assert world.asked == [
        f"claim p q {GUEST}", "bind-b p", "bind-b q", "plug b p asleep", "plug b q asleep", "attach b eth9",
        "profile-b p", "profile-b q", "prime b eth9 qfvp000000000 qfvq000000000", "pause a",
        "resume b eth9 qfvp000000000 qfvq000000000", "activate-b p", "activate-b q", "remove a", "profile- p",
        "profile- q", "unbind-a p", "unbind-a q",
    ]  # fmt: skip
    is_whole(world, "b", "p", "q", links=("core",))
    assert [(one.name, one.kind, one.network) for one in report.interfaces] == [
        ("qfvp000000000", "port", "net-p"), ("qfvq000000000", "port", "net-q"), ("eth9", "link", ""),
    ]  # fmt: skip
    assert report.interfaces[2].addresses == LINK.addresses


@pytest.mark.parametrize("kind", [LiveMigration, ColdMigration])
def test_a_guest_moves_back_as_it_came(world: World, kind: type[Migration]) -> None:
    world.add("p", "q", links=[LINK])
    before = world.hosts["a"].guests[GUEST]
    moved(world, "p", kind)
    kind(world.neutron, world.agents, Move(guest="q", destination="a", probe_from="none")).run()
    assert world.hosts["a"].guests[GUEST] == before


@pytest.mark.parametrize("kind", [LiveMigration, ColdMigration])
def test_a_plain_interface_is_plain_on_the_other_host(world: World, kind: type[Migration]) -> None:
    world.add("p", "q")
    guest = world.hosts["a"].guests[GUEST]
    first, second = guest.interfaces
    plain = (first, second.model_copy(update={"nic": "plain"}))
    world.hosts["a"].guests[GUEST] = guest.model_copy(update={"interfaces": plain})
    moved(world, "p", kind)
    assert [one.nic for one in world.hosts["b"].guests[GUEST].interfaces] == ["veth", "plain"]


@pytest.mark.parametrize("kind", [LiveMigration, ColdMigration])
def test_a_guest_without_ports_moves_with_its_links(world: World, kind: type[Migration]) -> None:
    world.add(links=[LINK], instance="r1")
    report = moved(world, "r1", kind)
    assert "start b namespace vm" in world.asked
    assert "claim r1" in world.asked
    is_whole(world, "b", links=("core",))
    assert report.title == "r1"


def test_a_guest_that_no_plug_would_make_is_begun_by_itself(world: World) -> None:
    world.add("p")
    guest = world.hosts["a"].guests[GUEST]
    settings = GuestSettings(sysctl={"net.ipv4.ip_forward": "1"})
    changes = {"kind": "container", "hostname": "r1", "settings": settings}
    world.hosts["a"].guests[GUEST] = guest.model_copy(update=changes)
    moved(world, "p")
    assert world.asked.index("start b container r1") < world.asked.index("plug b p asleep")


@pytest.mark.parametrize("kind", [LiveMigration, ColdMigration])
def test_a_guest_that_is_named_after_its_port_keeps_what_it_is_kept_running(
    world: World, kind: type[Migration]
) -> None:
    world.add("p", instance="")
    (guest,) = world.hosts["a"].guests.values()
    kept = DaemonSeen(wanted=Daemon(name="httpd", command=("httpd", "-f")), pid=7)
    world.hosts["a"].guests[guest.id] = guest.model_copy(update={"daemons": (kept,)})
    moved(world, "p", kind)
    (there,) = world.hosts["b"].guests.values()
    assert there.daemons == (kept,)
    is_whole(world, "b", "p")


STEPS = [(LiveMigration, name) for name in LiveMigration.step_names[1:]]
STEPS += [(ColdMigration, name) for name in ColdMigration.step_names[1:]]


@pytest.mark.parametrize(("kind", "step"), STEPS)
def test_a_failure_at_any_step_leaves_the_guest_whole_at_the_source(
    world: World, kind: type[Migration], step: str
) -> None:
    world.add("p", "q", links=[LINK])
    world.processes = ProcessesSeen(movable=("nginx (7)",) if step == "freeze" else ())
    move = migration(world, "q", kind, fail_at=step)
    if step == "observe":  # nobody watches here
        moved(world, "q", kind, fail_at=step)
        return
    with pytest.raises(FakevmError, match=f"step {step} was made to fail") as caught:
        move.run()
    assert "LEFT BEHIND" not in caught.value.hint
    assert move.report
    assert move.report.result == "rolled back"
    is_whole(world, "a", "p", "q", links=("core",))


@pytest.mark.parametrize(
    "breaks", ["bind-b q", "plug b q asleep", "attach b eth9", "profile-b q", "activate-b q", "remove a", "unbind-a q"]
)
def test_a_failure_between_two_ports_leaves_the_guest_whole_at_the_source(world: World, breaks: str) -> None:
    world.add("p", "q", links=[LINK])
    world.breaks = breaks
    with pytest.raises(FakevmError, match="broke"):
        moved(world, "p")
    is_whole(world, "a", "p", "q", links=("core",))


def test_a_port_that_is_deleted_meanwhile_leaves_the_guest_at_the_source_with_the_others(world: World) -> None:
    world.add("p", "q")

    def delete(*_: object) -> None:
        del world.ports_[f"q{'0' * 30}"]
        raise FakevmError("broke")

    world.hosts["b"].resume = delete  # type: ignore[method-assign,assignment]
    with pytest.raises(Gone) as caught:
        moved(world, "p")
    assert "LEFT BEHIND" not in caught.value.hint
    del world.bindings_[f"q{'0' * 30}"]
    is_whole(world, "a", "p")


def test_what_is_not_whole_at_the_source_is_refused(world: World) -> None:
    world.add("p", "q")
    world.ports_[f"q{'0' * 30}"]["binding:host_id"] = "c"
    with pytest.raises(Conflict, match="is plugged on a, but bound to c"):
        moved(world, "p")
    world.hosts["a"].unplug(f"q{'0' * 30}")
    world.ports_[f"q{'0' * 30}"]["binding:host_id"] = "a"
    with pytest.raises(Conflict, match=r"q0+ is not plugged on a"):
        moved(world, "p")


def test_a_port_of_the_instance_that_is_bound_nowhere_stays_out_of_it(world: World) -> None:
    world.add("p", "q")
    world.hosts["a"].unplug(f"q{'0' * 30}")
    world.ports_[f"q{'0' * 30}"]["binding:host_id"] = ""
    world.asked.clear()
    moved(world, "p")
    assert [said for said in world.asked if said.endswith(" q") and "claim" not in said] == []


def test_a_guest_that_is_at_the_destination_too_or_stopped_is_refused(world: World) -> None:
    world.add("p")
    guest = world.hosts["a"].guests[GUEST]
    world.hosts["a"].guests[GUEST] = guest.model_copy(update={"state": "stopped"})
    with pytest.raises(Conflict, match="is stopped on a"):
        moved(world, "p")
    world.hosts["a"].guests[GUEST] = guest
    world.hosts["b"].guests[GUEST] = guest.model_copy(update={"host": "b"})
    with pytest.raises(Conflict, match="plugged on a and b"):
        moved(world, "p")


def test_nobody_is_nobody(world: World) -> None:
    world.add("p")
    with pytest.raises(NotFound, match="there is no guest 'nobody'"):
        moved(world, "nobody")
    with pytest.raises(InvalidInput, match="same host"):
        migration(world, "p", source="b").run()


# -- repair ------------------------------------------------------------------------------------------------------


def recovered(world: World, guest: str) -> recovery.Recovery:
    return recovery.Recoverer(world.neutron, world.agents).recover(guest)


class Killed(BaseException):
    """The command ends here, and takes nothing back."""


def killed(world: World, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin a move, and kill the command just before it asks for something."""
    before = list(world.asked)

    class Asked(list[str]):
        def append(self, said: str) -> None:
            if said == moment:
                raise Killed
            super().append(said)

    world.asked = Asked(before)
    monkeypatch.setattr("fakevm.control.undo.Undo.run", lambda *_: "")
    with pytest.raises(Killed):
        moved(world, "p")
    monkeypatch.undo()
    world.asked = []


@pytest.mark.parametrize(
    ("moment", "keeper"),
    [
        ("bind-b q", "a"), ("plug b q asleep", "a"), ("attach b eth9", "a"), ("profile-b q", "a"), ("pause a", "a"),
        ("resume b eth9 qfvp000000000 qfvq000000000", "a"), ("activate-b p", "a"), ("activate-b q", "b"),
        ("remove a", "b"), ("profile- p", "b"), ("unbind-a p", "b"), ("unbind-a q", "b"),
    ],
)  # fmt: skip
def test_a_command_that_was_killed_between_any_two_requests_is_repaired(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str, keeper: str
) -> None:
    world.add("p", "q", links=[LINK])
    killed(world, moment, monkeypatch)
    with pytest.raises(Conflict) as caught:
        migration(world, "q", destination="c", source=keeper).run()
    assert "--recover" in caught.value.hint
    repaired = recovered(world, "q")
    assert (repaired.host, repaired.left) == (keeper, ())
    is_whole(world, keeper, "p", "q", links=("core",))
    assert recovered(world, "p").found == ()


def test_a_guest_of_links_alone_is_repaired(world: World) -> None:
    world.add(links=[LINK], instance="r1")
    state = world.hosts["a"].pause("r1")
    world.hosts["b"].guests["r1"] = world.hosts["a"].guests["r1"].model_copy(update={"host": "b"})
    assert state.interfaces
    repaired = recovered(world, "r1")
    assert repaired.host == "a"
    is_whole(world, "a", links=("core",))


def test_a_repair_takes_along_a_link_that_only_the_other_host_has(world: World) -> None:
    world.add("p", links=[LINK])
    here = world.hosts["a"].guests[GUEST]
    world.hosts["b"].guests[GUEST] = here.model_copy(update={"host": "b", "interfaces": here.interfaces[:1]})
    port_id = f"p{'0' * 30}"
    world.neutron.create_binding(port_id, "b")
    world.neutron.activate_binding(port_id, "b")
    repaired = recovered(world, "p")
    assert "attached eth9 to link core on b" in repaired.done
    is_whole(world, "b", "p", links=("core",))


def test_what_is_plugged_nowhere_cannot_be_repaired(world: World) -> None:
    world.add("p", "q")
    world.hosts["a"].guests.clear()
    with pytest.raises(Conflict, match="but plugged nowhere"):
        recovered(world, "p")


# -- a host that is emptied ----------------------------------------------------------------------------------------


def test_a_host_is_emptied_guest_by_guest(world: World) -> None:
    world.add("p", "q")
    world.add("r", instance="")
    world.add(links=[LINK], instance="r1")
    world.add("s", instance="", host="b")
    counts = evacuation.destinations(world.agents, "a", ["b", "c"], named=True)
    assert counts == {"b": 1, "c": 0}
    guests = evacuation.guests_on(world.agents, "a")
    assert [(guest.id.rstrip("0"), host) for guest, host in evacuation.spread(guests, counts)] == [
        (GUEST, "c"), ("r", "b"), ("r1", "c"),
    ]  # fmt: skip


def test_a_cold_migration_that_is_to_take_processes_along_is_refused() -> None:
    """It would end them without a word."""
    command = migrate.Migrate(SimpleNamespace(command_manager=None), None)
    asked = command.get_parser("migrate").parse_args(["b", "p", "--cold", "--processes", "move"])
    with pytest.raises(InvalidInput, match="no processes along"):
        command.take_action(asked)
