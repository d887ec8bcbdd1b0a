"""Environments derived from a release: real ones, of packages that build themselves: no network is needed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fakevm import errors, release
from fakevm.progress import Progress
from fakevm.release import cache, catalogue, derived, environment, tree
from fakevm.testing.tree import package

BASE = "1.0.0"
REVISION = "mine_db/migration/alembic/versions/1.py"
HERE = sys.version_info[:2]
PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
NO_NETWORK = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a release: it has a module, a program, a file, and one library in version 1.0; gives its cache."""
    place = tmp_path_factory.mktemp("derived")
    (place / "constraints").mkdir()
    pins = place / "constraints" / f"{BASE}.txt"
    pins.write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "_DIRECTORY", pins.parent)
        patch.setenv("FAKEVM_CACHE", str(place / "cache"))
        venv = release.install(BASE)
        pins.write_text("library==1.0\n")
        (venv.parent / "complete").write_text(catalogue.fingerprint(BASE, HERE))
    packages = derived.site_packages(venv)
    (packages / "neutron.py").write_text("where = 'release'\n")
    (packages / "library-1.0.dist-info").mkdir()
    (packages / "library-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: library\nVersion: 1.0\n")
    program = venv / "bin/neutron-program"
    program.write_text(f"#!{venv}/bin/python\nimport neutron, sys; print(neutron.where, sys.prefix)\n")
    program.chmod(0o755)
    (venv / "etc/neutron").mkdir(parents=True)
    (venv / "etc/neutron/api-paste.ini").write_text("release")
    return place / "cache"


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put both caches and the shipped constraints into a folder of the test's own; gives that of the constraints."""
    shipped = tmp_path / "constraints"
    shipped.mkdir()
    (shipped / f"{BASE}.txt").write_text("library==1.0\n")
    monkeypatch.setattr(catalogue, "_DIRECTORY", shipped)
    monkeypatch.setattr(cache, "SYSTEM_CACHE", tmp_path / "system")
    monkeypatch.setenv("FAKEVM_CACHE", str(tmp_path / "own"))
    return shipped


@pytest.fixture
def below(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a release that root has installed."""
    monkeypatch.setattr(cache, "SYSTEM_CACHE", shared)
    return release.path(BASE)


def python(venv: Path, code: str) -> str:
    """Run a line of Python in an environment."""
    done = subprocess.run([venv / "bin/python", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def mine(shared: Path) -> release.Derivation:
    """Derive an environment with a package that has migrations, beside the release; a careful user does it."""
    points = "[neutron.db.alembic_migrations]\nmine = mine_db.migration:alembic\n"
    path = package(shared / "mine", requires="library>=1", points=points, files={REVISION: "first"})
    mask = os.umask(0o077)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "_DIRECTORY", shared.parent / "constraints")
        patch.setenv("FAKEVM_CACHE", str(shared))
        wanted = release.derive(BASE, packages=(str(path),))
        derived.install(wanted, release.path(BASE))
    os.umask(mask)
    return wanted


def test_a_package_is_found_beside_all_that_the_release_has(mine: release.Derivation, below: Path) -> None:
    venv = release.path(mine.name)
    assert python(venv, "import mine, neutron; print(mine.where, neutron.where)") == "tree release"
    assert subprocess.check_output([venv / "bin/neutron-program"], text=True).split() == ["release", str(venv)]
    assert (venv / "etc/neutron/api-paste.ini").read_text() == "release"
    assert release.made_from(mine.name) == mine
    assert subprocess.run([below / "bin/python", "-c", "import mine"], capture_output=True, check=False).returncode
    assert environment.python_of(venv) == environment.python_of(below) == HERE


def test_others_can_read_it(mine: release.Derivation, below: Path) -> None:
    venv = release.path(mine.name)
    content = venv.parent / "made-from.json"
    assert json.loads(content.read_text())["version"] == BASE
    assert not [path for path in (*venv.rglob("*"), content) if not path.stat().st_mode & 0o004]


def test_what_is_edited_is_seen_and_nothing_is_made_again(mine: release.Derivation, below: Path) -> None:
    (mine.trees[0] / "mine.py").write_text("where = 'edited'\n")
    assert release.derive(BASE, packages=mine.packages) == mine
    assert python(release.path(mine.name), "import mine; print(mine.where)") == "edited"


def test_without_its_release_it_is_not_complete(mine: release.Derivation, below: Path, caches: Path) -> None:
    assert release.find(mine.name)
    (caches / f"{BASE}.txt").write_text("library==2.0\n")
    assert release.find(mine.name) is None


def test_its_migrations_make_a_database_of_its_own(mine: release.Derivation, below: Path) -> None:
    assert release.migrations(BASE) is None
    first = release.migrations(mine.name)
    (mine.trees[0] / REVISION).write_text("second")
    assert first != release.migrations(mine.name)


@pytest.mark.parametrize("words", ["packages: [Errno 28] No space left on device\n", "pack"])
def test_a_full_disk_is_said(tmp_path: Path, words: str) -> None:
    """Also by a log that breaks off: it is on that disk."""
    log = tmp_path / "install.log"
    log.write_text(f"$ pip\nERROR: Could not install {words}")
    failure = derived._failure(release.Derivation(BASE, "1.0.0+a", "", ("a",)), log)
    assert isinstance(failure, errors.Prerequisite)
    assert "no space left in" in failure.what


def test_what_is_unused_is_removed_and_the_rest_stays(tmp_path: Path) -> None:
    homes = [tmp_path / f"own/releases/{BASE}+{name}" for name in ("a", "b")]
    for home in homes:
        (home / "venv/bin").mkdir(parents=True)
        (home / "venv/bin/python").symlink_to(sys.executable)
    with subprocess.Popen([homes[1] / "venv/bin/python", "-c", "print(flush=True); input()"], **PIPES) as user:
        assert user.stdout
        user.stdout.readline()
        assert list(release.unused()) == [homes[0].name]
        with pytest.raises(errors.Conflict):
            release.remove(homes[1].name)
        user.communicate("\n")
    assert release.remove(homes[0].name)
    assert not homes[0].exists()
    assert list(release.unused()) == [homes[1].name]


def test_other_set_up_files_make_another_environment(tmp_path: Path) -> None:
    mine = package(tmp_path / "mine")
    before = release.derive(BASE, packages=(str(mine),))
    (mine / "setup.cfg").write_text("[entry_points]\n")
    assert release.derive(BASE, packages=(str(mine),)).name != before.name


def test_names_tell_what_is_in_environments_apart(tmp_path: Path) -> None:
    mine = str(package(tmp_path / "mine"))
    made = [
        release.derive(BASE),
        release.derive(BASE, packages=("a==1", "b")),
        release.derive(BASE, packages=("a==1,b",)),
        release.derive(BASE, packages=("a==1",)),
        release.derive(BASE, packages=(mine,)),
        release.derive(BASE, mine),
    ]
    assert made[0].name == BASE
    assert len({one.name for one in made}) == len(made)


def test_a_tree_of_neutron_comes_before_the_release_s(tmp_path: Path, below: Path) -> None:
    own = package(tmp_path / "mine", "neutron")
    (own / "etc").mkdir()
    (own / "etc/api-paste.ini").write_text("tree")
    venv = derived.install(release.derive(BASE, str(own)), below)
    assert subprocess.check_output([venv / "bin/neutron-program"], text=True).split() == ["tree", str(venv)]
    assert (venv / "etc/neutron/api-paste.ini").read_text() == "tree"
    assert subprocess.check_output([below / "bin/neutron-program"], text=True).split() == ["release", str(below)]


def test_a_tree_of_neutron_is_no_package(tmp_path: Path) -> None:
    own = package(tmp_path / "mine", "neutron")
    with pytest.raises(errors.InvalidInput, match="Neutron itself") as raised:
        release.derive(BASE, packages=(str(own),))
    assert raised.value.hint == f"release: {{path: {own}}}"


def test_what_does_not_go_with_the_release_s_libraries_is_told_in_pip_s_words(tmp_path: Path, below: Path) -> None:
    wanted = release.derive(BASE, packages=(str(package(tmp_path / "mine", requires="library>=2")),))
    with pytest.raises(errors.CommandFailed) as raised:
        derived.install(wanted, below)
    assert "library>=2" in raised.value.what
    assert "library==1.0" in raised.value.what
    assert len(raised.value.what.splitlines()) < 15
    assert release.find(wanted.name) is None
    assert not list((tmp_path / "own/releases").glob("*+*/venv"))


def test_without_a_network_that_is_said(tmp_path: Path, below: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NO_NETWORK.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(errors.Prerequisite, match="the index of packages does not answer"):
        derived.install(release.derive(BASE, packages=("networking-nowhere",)), below)


def test_two_at_once_make_it_once(tmp_path: Path, below: Path) -> None:
    wanted = release.derive(BASE, packages=(str(package(tmp_path / "mine")),))
    told: list[str] = []

    class Told(Progress):
        def note(self, text: str) -> None:
            told.append(text)

    both = [threading.Thread(target=derived.install, args=(wanted, below, Told())) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(120)
    log = (cache.home(wanted.name) / "install.log").read_text()
    assert log.count("-m venv") == 1
    assert told == ["Waiting for another installation to end"]


def test_what_a_lab_comes_up_with_is_not_unused(tmp_path: Path) -> None:
    home = tmp_path / f"own/releases/{BASE}+a"
    (home / "venv").mkdir(parents=True)
    (home / "lock").touch()
    with release.coming(home / "venv"), release.coming(home / "venv"):
        assert list(release.unused()) == []
    assert list(release.unused()) == [home.name]


def test_with_a_release_goes_what_is_derived_from_it_but_not_from_under_others(tmp_path: Path) -> None:
    homes = [tmp_path / f"own/releases/{BASE}{name}" for name in ("", "+a", "+b")]
    for home in homes:
        (home / "venv/bin").mkdir(parents=True)
        (home / "venv/bin/python").symlink_to(sys.executable)
    with subprocess.Popen([homes[2] / "venv/bin/python", "-c", "print(flush=True); input()"], **PIPES) as user:
        assert user.stdout
        user.stdout.readline()
        with pytest.raises(errors.Conflict, match=re.escape(str(homes[2]))):
            release.remove(BASE)
        assert all((home / "venv").exists() for home in homes)
        user.communicate("\n")
    assert release.remove(BASE)
    assert not any((home / "venv").exists() for home in homes)


@pytest.mark.parametrize(
    ("said", "series"),
    [("RELEASE_2024_2 = '2024.2'\n", "2024.2"), ("RELEASE_2024_2 = '2024.2'\nRELEASE_2026_2 = '2026.2'\n", "2026.2")],
)
def test_a_tree_runs_with_the_libraries_of_its_series(tmp_path: Path, said: str, series: str) -> None:
    for version in ("25.2.3", "28.0.2", "29.0.0"):
        (tmp_path / "constraints" / f"{version}.txt").write_text("")
    (tmp_path / "constraints" / f"{BASE}.txt").unlink()
    own = package(tmp_path / "neutron")
    milestones = own / "neutron/db/migration/__init__.py"
    milestones.parent.mkdir(parents=True)
    milestones.write_text(said)
    version, why = release.nearest(own)
    assert release.series(version) == series
    assert why == f"it is of {series}"


@pytest.mark.parametrize(
    ("series", "version"), [("2027.1", "29.0.0"), ("2026.1", "25.2.3"), ("2024.1", None), ("2010.2", None)]
)
def test_a_tree_of_another_series_runs_with_the_nearest_older_one(
    tmp_path: Path, series: str, version: str | None
) -> None:
    (tmp_path / "constraints" / f"{BASE}.txt").unlink()
    for shipped in ("25.2.3", "29.0.0"):
        (tmp_path / "constraints" / f"{shipped}.txt").write_text("")
    own = package(tmp_path / "neutron")
    (own / "neutron/db/migration").mkdir(parents=True)
    (own / "neutron/db/migration/__init__.py").write_text(f"RELEASE_X = '{series}'\n")
    if version:
        assert release.nearest(own)[0] == version
        return
    with pytest.raises(errors.InvalidInput, match=rf"Neutron of {series}.*2024\.2, 2026\.2"):
        release.nearest(own)


def test_an_sdist_says_its_version_itself(tmp_path: Path) -> None:
    own = package(tmp_path / "neutron")
    (own / "PKG-INFO").write_text("Metadata-Version: 2.4\nName: neutron\nVersion: 29.0.0\n\nVersion: 1\n")
    assert tree.version(own) == "29.0.0"


def test_a_checkout_without_tags_has_no_version(tmp_path: Path) -> None:
    own = package(tmp_path / "neutron")
    subprocess.run(["git", "init", "-q", own], check=True)
    assert tree.version(own) == ""


def test_a_folder_in_the_checkout_of_something_else_has_no_version(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a"}
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "a"], check=True, env={**os.environ, **who})
    subprocess.run([*git, "tag", "5.0"], check=True)
    assert tree.version(package(tmp_path / "neutron")) == ""
    assert tree.version(tmp_path) == "5.0"


@pytest.mark.parametrize(
    ("files", "what"),
    [
        (None, "there is no"),
        ({}, "it has none of pyproject.toml"),
        ({"setup.cfg": "[metadata]\nname = networking-foo\n"}, "networking-foo, not a source tree of Neutron"),
        ({"pyproject.toml": "[project\n"}, "cannot be read"),
    ],
)
def test_what_is_no_tree_of_neutron_is_refused(tmp_path: Path, files: dict[str, str] | None, what: str) -> None:
    path = tmp_path / "it"
    if files is not None:
        path.mkdir()
    for name, text in (files or {}).items():
        (path / name).write_text(text)
    with pytest.raises(errors.InvalidInput, match=what):
        release.nearest(path)


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("setup.cfg", "[metadata]\nname = Tap_As.a-Service\n", "tap-as-a-service"),
        ("pyproject.toml", '[project]\nname = "neutron"\n', "neutron"),
        ("setup.py", "setup(name='mine')", "mine"),
        ("setup.py", "setup(setup_requires=['pbr'], pbr=True)", ""),
    ],
)
def test_a_tree_says_which_project_it_is(tmp_path: Path, file: str, text: str, name: str) -> None:
    (tmp_path / file).write_text(text)
    assert tree.project(tmp_path) == name


def test_a_source_layout_is_seen(tmp_path: Path) -> None:
    assert tree.roots(tmp_path) == [tmp_path]
    (tmp_path / "src/mine").mkdir(parents=True)
    (tmp_path / "src/mine/__init__.py").touch()
    assert tree.roots(tmp_path) == [tmp_path / "src"]


def test_pip_is_told_what_a_tree_cannot_know_itself(tmp_path: Path) -> None:
    own = package(tmp_path / "neutron")
    known = package(tmp_path / "known")
    (known / "PKG-INFO").write_text("Version: 3.0\n")
    wanted = release.derive(BASE, str(own), (str(known), "another"))
    assert list(derived._rounds(wanted)) == [(BASE, [str(own)]), ("", [str(known), "another"])]


def test_pip_s_words_are_shortened() -> None:
    said = (
        "Looking in indexes\nCollecting a\n\nThe conflict is caused by:\n    a 1 depends on b>=2\n"
        "    The user requested (constraint) b==1\n\nTo fix this you could try to:\n1. loosen\n\n"
        "ERROR: ResolutionImpossible: for help visit https://pip\n"
    )
    assert derived._shortened(said).splitlines() == [
        "The conflict is caused by:",
        "    a 1 depends on b>=2",
        "    The user requested (constraint) b==1",
        "ERROR: ResolutionImpossible: for help visit https://pip",
    ]
