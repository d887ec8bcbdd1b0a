"""The releases that a lab file names: of the server and of each host, by version or series."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.backend.base import load
from fakevm.backend.ovs import OvsBackend
from fakevm.errors import InvalidInput, Prerequisite
from fakevm.lab import planning, reading, releases
from fakevm.model.labfile import LabFile
from fakevm.progress import Progress


class OldBackend(OvsBackend):
    """One that newer releases have no driver for."""

    def runs_on(self, version: str) -> bool:
        return version.startswith("25.")


def read(text: str) -> LabFile:
    return releases.resolved(planning.with_hosts(reading.parse(text, "x.yaml"), load("ovs")))


def test_a_host_has_the_lab_s_release_or_its_own() -> None:
    lab = read("release: '2026.2'\nhosts: {new: {}, old: {release: 28.0.2}, older: {release: 2025.1}}")
    assert lab.release == "29.0.0"
    assert {name: host.release for name, host in lab.hosts.items()} == {
        "new": "29.0.0", "old": "28.0.2", "older": "26.0.6",
    }  # fmt: skip
    assert releases.of(lab) == ["29.0.0", "28.0.2", "26.0.6"]


def test_each_host_s_agents_are_run_from_its_own_environment() -> None:
    lab = read("hosts: {new: {}, old: {release: 28.0.2, roles: [compute, dhcp]}}")
    venvs = {version: Path("/venvs") / version for version in releases.of(lab)}
    plan = planning.make_plan(lab, Path("/labs/x"), venvs, kernel_datapath=False)
    assert plan.venv == Path("/venvs/29.0.0")
    agents = {h.name: load("ovs").host_programs(plan, h)[-1].command[0] for h in plan.hosts}
    assert agents == {
        "new": "/venvs/29.0.0/bin/neutron-openvswitch-agent",
        "old": "/venvs/28.0.2/bin/neutron-openvswitch-agent",
    }


@pytest.mark.parametrize("written", ["2026.1", "'2026.1'", "28.0.2"])
def test_a_series_needs_no_quotes(written: str) -> None:
    assert read(f"release: {written}").release == "28.0.2"


@pytest.mark.parametrize("text", ["release: 7.0.0", "hosts: {a: {release: 7.0.0}}"])
def test_an_unknown_release_is_told_with_its_line_and_those_known(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"x.yaml:1: .*release: there is no release '7\.0\.0'. There are: 2024"):
        read(text)


def test_what_is_no_release_at_all_is_told_with_its_line() -> None:
    with pytest.raises(InvalidInput, match=r"x\.yaml:2: release"):
        reading.parse("name: x\nrelease: newest\n", "x.yaml")


def test_a_backend_says_which_releases_it_runs_with() -> None:
    releases.refuse_without(OldBackend(), read("release: 25.2.3"))
    with pytest.raises(InvalidInput, match=r"29\.0\.0 \(2026\.2\)\n.*25\.2\.3 \(2024\.2\)\."):
        releases.refuse_without(OldBackend(), read("release: 25.2.3\nhosts: {a: {release: 29.0.0}}"))


def test_a_release_without_a_python_here_is_refused_and_an_installed_one_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def find_python(version: str) -> str:
        raise Prerequisite(f"no Python for {version}")

    monkeypatch.setattr(releases.release, "find_python", find_python)
    monkeypatch.setattr(releases.release, "find", lambda version: tmp_path if version == "28.0.2" else None)
    releases.refuse_without_python(read("release: 28.0.2"))
    with pytest.raises(Prerequisite, match=r"25\.2\.3"):
        releases.refuse_without_python(read("release: 28.0.2\nhosts: {old: {release: 25.2.3}}"))


def test_a_release_that_is_missing_is_installed_as_a_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown: list[str] = []

    class Seen(Progress):
        def seen(self, text: str) -> None:
            shown.append(text)

    def install(version: str, progress: Progress) -> Path:
        progress.seen("1 of 3 packages fetched")
        return tmp_path / version

    monkeypatch.setattr(releases.release, "find", lambda version: None)
    monkeypatch.setattr(releases.release, "install", install)
    progress = Seen()
    assert releases.install("28.0.2", progress) == tmp_path / "28.0.2"
    assert [title for title, _ in progress.steps] == ["installing Neutron 28.0.2"]
    assert shown == ["1 of 3 packages fetched"]
