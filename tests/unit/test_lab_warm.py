"""Which programs of a lab are forked from which warmed process."""

from __future__ import annotations

import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from fakevm_warm import options
from oslo_config import cfg

from fakevm import release
from fakevm.errors import InvalidInput, LabFailed, Prerequisite
from fakevm.lab import kept, planning, warm
from fakevm.lab.apply import difference
from fakevm.lab.environment import OWN, Environment
from fakevm.linux import supervision
from fakevm.model.labfile import LabFile
from fakevm.model.program import Program


def make_plan(tmp_path: Path, **lab: Any) -> Any:
    venvs = {release: tmp_path / f"releases/{release}/venv" for release in ("29.0.0", "25.2.3")}
    for venv in venvs.values():
        (venv / "bin").mkdir(parents=True)
        for name in ("neutron-a", "neutron-b", "uwsgi", "privsep-helper"):
            (venv / "bin" / name).write_text(f"#!{venv}/bin/python\nimport sys\n")
        (venv / "bin/tool").write_bytes(b"\x7fELF")
    return planning.make_plan(LabFile(warm=True, **lab), tmp_path / "lab", venvs, kernel_datapath=False)


def program(plan: Any, *words: str, **more: Any) -> Program:
    return Program(name=words[0], command=(f"{plan.venv}/bin/{words[0]}", *words[1:]), **more)


def test_pythons_programs_are_asked_for(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    made = [program(plan, "neutron-a", "--x"), program(plan, "python", "-m", "module"), program(plan, "uwsgi")]
    others = [program(plan, "tool"), Program(name="ovs", command=("ovs-vswitchd",)), program(plan, "gone")]
    asked = list(warm.forked(plan, [*made, *others]))
    folder = f"/run/fakevm/warm{plan.venv}/bin"
    for before, after in zip(made, asked[:3], strict=True):
        assert after.command[:2] == (f"{plan.venv}/bin/python", "-ISE")
        assert after.command[3:] == (folder, *before.command)
    assert asked[3:] == others
    ((place, one),) = warm.warmed(plan, [*made, *others]).items()
    assert (place.folder, one.name, one.held) == (folder, "warm-29.0.0", False)
    assert one.command[3] == folder
    assert set(one.command[4:-1]) >= {f"{plan.venv}/bin/neutron-a", "-mmodule", f"{plan.venv}/bin/privsep-helper"}


def test_what_is_imported_late_comes_after_all_that_programs_import_themselves(tmp_path: Path) -> None:
    """A module that comes first may decide for the others, as oslo.service's users do."""
    plan = make_plan(tmp_path)
    programs = [program(plan, "neutron-a", imports=("late.one",)), program(plan, "uwsgi"), program(plan, "neutron-b")]
    (one,) = warm.warmed(plan, programs).values()
    words = one.command[4:-1]
    scripts = [word for word in words if word.startswith("/")]
    assert words[: len(scripts)] == tuple(scripts)
    assert {"late.one", "neutron.server.api"} <= set(words[len(scripts) :])
    assert f"{plan.venv}/bin/neutron-b" in scripts


def test_a_warmed_process_is_none_that_is_forked(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    made = list(warm.warmed(plan, [program(plan, "neutron-a")]).values())
    assert list(warm.forked(plan, made)) == made


def test_each_environment_has_one(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    plain = program(plan, "neutron-a")
    with_path = program(plan, "neutron-b", environment={"PYTHONPATH": "/drivers"})
    one, other = warm.warmed(plan, [plain, with_path]).values()
    assert one.name != other.name
    assert other.environment["PYTHONPATH"].split(":")[1:] == ["/drivers"]
    assert f"{plan.venv}/bin/neutron-b" not in one.command


def test_programs_that_debug_have_one_of_their_own(tmp_path: Path) -> None:
    """It finds the option set while it imports, and so do those that privsep helpers are forked from."""
    plan = make_plan(tmp_path)
    plain, debugging = program(plan, "neutron-a"), program(plan, "neutron-b", debug=True)
    one, other = warm.warmed(plan, [plain, debugging]).values()
    assert (one.name, other.name) == ("warm-29.0.0", "warm-29.0.0-debug")
    assert ("+debug" in one.command, other.command[4]) == (False, "+debug")
    assert f"{plan.venv}/bin/privsep-helper" in other.command
    (asking,) = warm.forked(plan, [debugging])
    assert asking.command[3] == other.command[3] == f"/run/fakevm/warm{plan.venv}/bin-debug"


def test_an_option_is_found_set_and_compared() -> None:
    asked: options.Asked = {}
    with options.watched(asked, ["debug"]):
        assert cfg.CONF.debug is True
    assert asked == {(None, "debug"): True}


@pytest.mark.parametrize("lab", [{"release": "25.2.3"}, {"hosts": {"old": {"release": "25.2.3"}}}])
def test_eventlets_releases_are_not_forked(tmp_path: Path, lab: dict[str, Any]) -> None:
    plan = make_plan(tmp_path, **lab)
    venv = tmp_path / "releases/25.2.3/venv"
    old = Program(name="old", command=(f"{venv}/bin/neutron-a",))
    assert list(warm.forked(plan, [old])) == [old]
    assert warm.helper(plan, warm.privsep(venv / "bin")) == f"{venv}/bin/privsep-helper"


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, in_file, wanted in (("0", True, False), ("1", False, True), ("", True, True), ("", False, False)):
        monkeypatch.setenv(warm.VARIABLE, said)
        assert warm.is_wanted(LabFile(warm=in_file)) == wanted
    monkeypatch.setenv(warm.VARIABLE, "no")
    with pytest.raises(InvalidInput, match="FAKEVM_WARM is 'no'"):
        warm.is_wanted(LabFile())


def test_a_lab_that_runs_stays_as_warm_as_it_is() -> None:
    with pytest.raises(InvalidInput, match="a lab that runs cannot change: warm"):
        difference.refuse_fixed(LabFile(warm=True), LabFile(warm=False))


def test_another_release_gets_a_warmed_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(tmp_path)
    (tmp_path / "lab/service").mkdir(parents=True)
    scanned: list[Path] = []
    monkeypatch.setattr(supervision, "rescan", scanned.append)
    with_path = program(plan, "neutron-b", environment={"PYTHONPATH": "/drivers"})
    warm.write(plan, [program(plan, "neutron-a"), with_path], tmp_path / "lab")
    for folder in (tmp_path / "lab/warm").rglob("*"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = sorted(path.name for path in (tmp_path / "lab/service").iterdir())
    new = tmp_path / "releases/29.1.0/venv"
    warm.follow(tmp_path / "lab", plan.venv, new)
    added = sorted({path.name for path in (tmp_path / "lab/service").iterdir()} - set(before))
    assert added == [name.replace("29.0.0", "29.1.0") for name in before]
    for name in added:
        text = (tmp_path / "lab/service" / name / "run").read_text()
        assert "29.0.0" not in text
        assert "29.1.0/venv/bin/neutron-" in text
    assert (tmp_path / f"lab/warm{new}/bin").is_dir()
    warm.follow(tmp_path / "lab", plan.venv, tmp_path / "releases/25.2.3/venv")
    assert len(scanned) == len(added)


def test_what_is_kept_is_found_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kept.VARIABLE, str(tmp_path / "kept"))
    one, other = (Environment(tmp_path / version / "venv/bin", "") for version in ("29.0.0", "29.1.0"))
    # As programs are named when they are to be another release's.
    assert str(kept.folder(one)).replace("29.0.0/", "29.1.0/") == str(kept.folder(other))
    assert kept.folder(one) != kept.folder(one._replace(path="/drivers"))
    assert (one.name, Environment(OWN, "").name) == ("29.0.0", "fakevm")
    assert (kept.asking(one), kept.look(), kept.stop()) == ((), [], [])


def test_a_socket_that_nobody_serves_is_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kept.VARIABLE, str(tmp_path / "kept"))
    place = Environment(tmp_path / "29.0.0/venv/bin", "")
    kept.folder(place).mkdir(parents=True)
    monkeypatch.chdir(kept.folder(place))
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("socket")
    assert (kept.asking(place), kept.look()) == ((), [])
    assert kept.stop() == []
    assert not (tmp_path / "kept").exists()


def test_what_cannot_be_started_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kept.VARIABLE, str(tmp_path / "kept"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text("#!/bin/sh\necho no such luck\nexit 1\n")
    (tmp_path / "bin/python").chmod(0o755)
    with pytest.raises(LabFailed, match="the warmed process did not start: no such luck"):
        kept.start(Environment(tmp_path / "bin", ""), [])
    monkeypatch.setenv(kept.VARIABLE, "/proc/kept")
    with pytest.raises(Prerequisite, match="the folder /proc/kept cannot be made"):
        kept.start(Environment(tmp_path / "bin", ""), [])


def test_releases_that_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "path", lambda version: tmp_path / version / "venv")
    assert [place.name for place in warm.kept_for("29.0.0")] == ["29.0.0", "fakevm"]
    assert [place.name for place in warm.kept_for("25.2.3")] == ["fakevm"]
