"""Neutron releases: real environments, of a release that consists of nothing: no network is needed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakevm import errors, release
from fakevm.progress import Progress
from fakevm.release import cache, catalogue, environment

EMPTY = "1.0.0"
HERE = sys.version_info[:2]
SHIPPED = catalogue._DIRECTORY
INSTALL = (
    "import pathlib, sys; from fakevm import release; from fakevm.release import catalogue;"
    "catalogue._DIRECTORY = pathlib.Path(sys.argv[1]); from fakevm.progress import Progress;"
    "progress = Progress(); progress.note = print; release.install(sys.argv[2], progress)"
)

# A package whose making takes longer than any test: its build backend is its own, so that no network is needed.
SLOW = '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n'


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put both caches and the shipped constraints into a folder of the test's own."""
    shipped = tmp_path / "constraints"
    shipped.mkdir()
    (shipped / f"{EMPTY}.txt").write_text("")
    monkeypatch.setattr(catalogue, "_DIRECTORY", shipped)
    monkeypatch.setattr(cache, "SYSTEM_CACHE", tmp_path / "system")
    monkeypatch.setenv("FAKEVM_CACHE", str(tmp_path / "own"))


def pretend(place: Path, stamp: str, python_version: str = f"{HERE[0]}.{HERE[1]}.0") -> Path:
    """Make what looks like an installed release."""
    python = place / "releases" / EMPTY / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (python.parents[1] / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {python_version}\n")
    (place / "releases" / EMPTY / "complete").write_text(stamp)
    return python.parent.parent


def test_versions_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for version in ("29.0.0", "9.1.0", "25.2.3"):
        (tmp_path / "constraints" / f"{version}.txt").write_text("")
    assert release.shipped() == [EMPTY, "9.1.0", "25.2.3", "29.0.0"]


@pytest.mark.parametrize(
    ("version", "series"),
    [("24.0.0", "2024.1"), ("25.2.3", "2024.2"), ("26.0.6", "2025.1"), ("28.0.2", "2026.1"), ("29.0.0", "2026.2")],
)
def test_a_major_version_is_a_series(version: str, series: str) -> None:
    assert release.series(version) == series


def test_a_series_means_its_newest_version(tmp_path: Path) -> None:
    for version in ("28.0.2", "28.0.10", "29.0.0"):
        (tmp_path / "constraints" / f"{version}.txt").write_text("")
    assert release.resolve("2026.1") == "28.0.10"
    assert release.resolve("28.0.2") == "28.0.2"


@pytest.mark.parametrize("name", ["7.0.0", "2030.1", "28", "28.0"])
def test_what_is_not_shipped_is_not_found_and_the_list_is_told(name: str) -> None:
    for ask in (release.resolve, release.path, release.find, release.constraints, release.install, release.remove):
        with pytest.raises(errors.NotFound, match=rf"Neutron {name}\n.*1\.0\.0 \(2012\.2\)"):
            ask(name)


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.txt")), ids=lambda file: file.stem)
def test_what_is_shipped_pins_every_package_once_in_order(file: Path) -> None:
    lines = file.read_text().splitlines()
    pin = r'([A-Za-z0-9._-]+)==[0-9][A-Za-z0-9.]*( ; python_version >= "3\.1[0-9]")?'
    names = [re.fullmatch(pin, line)[1].lower() for line in lines]  # type: ignore[index]
    assert f"neutron=={file.stem}" in lines
    assert {"pymysql", "pyuwsgi"} <= set(names)
    assert names == sorted(set(names))


def test_what_is_not_installed_says_how_to_install_it() -> None:
    with pytest.raises(errors.Prerequisite, match=f"fakevm release install {EMPTY}"):
        release.path(EMPTY)


def test_what_root_has_installed_serves_others(tmp_path: Path) -> None:
    venv = pretend(tmp_path / "system", catalogue.fingerprint(EMPTY, HERE))
    assert release.path(EMPTY) == venv


def test_one_s_own_comes_first(tmp_path: Path) -> None:
    pretend(tmp_path / "system", catalogue.fingerprint(EMPTY, HERE))
    own = pretend(tmp_path / "own", catalogue.fingerprint(EMPTY, HERE))
    assert release.path(EMPTY) == own


def test_what_other_constraints_made_does_not_count(tmp_path: Path) -> None:
    pretend(tmp_path / "own", "of older constraints")
    assert release.find(EMPTY) is None


def test_a_pin_may_be_for_newer_pythons_only(tmp_path: Path) -> None:
    file = tmp_path / "constraints" / f"{EMPTY}.txt"
    file.write_text('a==1\nb==2 ; python_version >= "3.13"\nc==3\n')
    assert catalogue.pins(EMPTY, (3, 12)) == ["a==1", "c==3"]
    assert catalogue.pins(EMPTY, (3, 13)) == ["a==1", "b==2", "c==3"]


def test_what_is_pinned_for_other_pythons_makes_no_environment_stale(tmp_path: Path) -> None:
    file = tmp_path / "constraints" / f"{EMPTY}.txt"
    file.write_text("a==1\n")
    before = {python: catalogue.fingerprint(EMPTY, python) for python in ((3, 11), (3, 13))}
    file.write_text('a==1\nb==2 ; python_version >= "3.13"\n')
    assert catalogue.fingerprint(EMPTY, (3, 11)) == before[3, 11]
    assert catalogue.fingerprint(EMPTY, (3, 13)) != before[3, 13]


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.txt")), ids=lambda file: file.stem)
def test_on_newer_pythons_what_left_the_standard_library_is_pinned(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_DIRECTORY", SHIPPED)
    if catalogue._NEWEST_PYTHON.get(file.stem, (3, 13)) < (3, 13):
        return
    names = {line.partition("==")[0] for line in catalogue.pins(file.stem, (3, 13))}
    assert {"legacy-cgi", "setuptools"} <= names, "WebOb imports cgi, pbr and Paste setuptools"


def test_an_environment_whose_python_was_replaced_does_not_count(tmp_path: Path) -> None:
    venv = pretend(tmp_path / "own", catalogue.fingerprint(EMPTY, HERE), "3.9.2")
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to("/usr/bin/python3.12")
    assert environment.python_of(venv) is None
    assert release.find(EMPTY) is None


def test_a_release_that_no_python_here_can_run_is_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(catalogue._NEWEST_PYTHON, EMPTY, (3, 12))
    monkeypatch.setattr(environment, "_fits", lambda python, newest: newest is None)
    with pytest.raises(
        errors.Prerequisite, match=r"Neutron 1\.0\.0 runs with Python 3\.11 or 3\.12, and no such"
    ) as raised:
        release.install(EMPTY)
    assert "Python 3.12 into PATH" in raised.value.hint
    assert not (release.own_cache() / "releases" / EMPTY / "venv").exists()


def test_an_older_python_is_taken_where_the_distribution_s_own_is_too_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalogue._NEWEST_PYTHON, EMPTY, (3, 12))
    monkeypatch.setattr(environment.shutil, "which", lambda name: f"/elsewhere/{name}")
    monkeypatch.setattr(environment, "_fits", lambda python, newest: python.endswith("3.12"))
    assert release.find_python(EMPTY) == "/elsewhere/python3.12"


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"FAKEVM_CACHE": "/chosen"}, "/chosen"),
        ({"FAKEVM_CACHE": "", "XDG_CACHE_HOME": "/xdg"}, "/xdg/fakevm"),
        ({"FAKEVM_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/somewhere"}, "/somewhere/.cache/fakevm"),
        (
            {"FAKEVM_CACHE": "", "XDG_CACHE_HOME": "relative", "HOME": "/somewhere"},
            "/somewhere/.cache/fakevm",
        ),
    ],
)
def test_the_user_s_own_cache(variables: dict[str, str], place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cache.own_cache() == Path(place)


def test_root_s_own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FAKEVM_CACHE")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cache.own_cache() == tmp_path / "system"


def test_installing_makes_an_environment_that_all_can_read(tmp_path: Path) -> None:
    told: list[str] = []
    counted: list[str] = []

    class Told(Progress):
        def note(self, text: str) -> None:
            told.append(text)

        def seen(self, text: str) -> None:
            counted.append(text)

    mask = os.umask(0o077)
    try:
        venv = release.install(EMPTY, Told())
    finally:
        os.umask(mask)
    assert release.path(EMPTY) == venv
    assert len(told) == 2
    assert set(counted) == {"putting the packages in place"}
    release.install(EMPTY, Told())
    assert len(told) == 2, "what is there was made again"
    assert subprocess.run([venv / "bin/python", "-c", ""], check=True).returncode == 0
    needed = [*venv.rglob("*"), *venv.parents[:3], venv.parent / "complete"]
    assert not [path for path in needed if not path.stat().st_mode & 0o004]


def test_what_an_interrupted_installation_left_is_made_again(tmp_path: Path) -> None:
    broken = tmp_path / "own" / "releases" / EMPTY / "venv/bin/python"
    broken.parent.mkdir(parents=True)
    broken.write_text("half of a file")
    venv = release.install(EMPTY)
    assert subprocess.run([venv / "bin/python", "-c", ""], check=True).returncode == 0


def test_an_interrupted_installation_leaves_neither_processes_nor_half_of_it(tmp_path: Path) -> None:
    package = tmp_path / "slow"
    package.mkdir()
    (package / "pyproject.toml").write_text(SLOW)
    (package / "slow.py").write_text("import time; open(__file__ + '.begun', 'w').close(); time.sleep(600)\n")
    (tmp_path / "constraints" / f"{EMPTY}.txt").write_text(f"{package}\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-c", INSTALL, tmp_path / "constraints", EMPTY]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(scratch)}) as installer:
        try:
            wait_for((package / "slow.py.begun").exists, "the package is being built")
            assert running_in(tmp_path)
        finally:
            installer.send_signal(signal.SIGINT)
        assert installer.wait(timeout=30) != 0
    assert not running_in(tmp_path)
    assert not list(scratch.iterdir())
    assert sorted(path.name for path in (tmp_path / "own/releases" / EMPTY).iterdir()) == ["install.log", "lock"]
    assert release.look(EMPTY) == release.Installed(None, complete=False, size=0)


def running_in(folder: Path) -> list[str]:
    """List the command lines of programs out of a folder."""
    lines = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if line.startswith(str(folder))]


def wait_for(what: Callable[[], object], meaning: str) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, f"not seen: {meaning}"
        time.sleep(0.1)


def test_what_a_killed_installation_left_is_seen(tmp_path: Path) -> None:
    half = pretend(tmp_path / "own", "")
    found = release.look(EMPTY)
    assert found.home == half.parent
    assert not found.complete
    assert release.remove(EMPTY)


def test_packages_are_counted_while_they_are_fetched(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("$ pip install\nCollecting a==1\n  Downloading a\nCollecting b==2\n$ pip install\nCollecting a==1\n")
    assert environment.collected(log) == 2


def test_two_installers_at_once_do_it_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INSTALL, tmp_path / "constraints", EMPTY]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(process.communicate(timeout=120)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert len(re.findall("Making the virtual environment", said)) == 1


def test_a_failure_shows_the_end_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_PAUSE", 0.0)
    (tmp_path / "constraints" / f"{EMPTY}.txt").write_text("./no/such/package\n")
    with pytest.raises(errors.CommandFailed, match="no/such/package"):
        release.install(EMPTY)
    assert release.find(EMPTY) is None


def test_a_cache_that_cannot_be_written_to_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKEVM_CACHE", "/dev/null/cache")
    with pytest.raises(errors.Prerequisite, match="FAKEVM_CACHE"):
        release.install(EMPTY)


def test_a_compiler_that_is_missing_is_named_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    release.constraints(EMPTY).write_text("mysqlclient==2.3.2\n")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(errors.Prerequisite, match=r"mysqlclient.*gcc") as raised:
        release.install(EMPTY)
    assert "libmariadb-dev" in str(raised.value.hint)
    assert not (release.own_cache() / "releases" / EMPTY / "venv").exists()


def test_the_packages_of_elsewhere_are_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "elsewhere" / "broken-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\nRequires-Dist: no-such-thing\n")
    monkeypatch.setenv("PYTHONPATH", str(info.parent))
    release.install(EMPTY)


@pytest.fixture
def user_of_it() -> Iterator[subprocess.Popen[bytes]]:
    """Run something out of the environment."""
    venv = release.install(EMPTY)
    process = subprocess.Popen([venv / "bin/python", "-c", "import time; time.sleep(60)"])
    time.sleep(0.2)
    yield process
    process.kill()
    process.wait()


def test_what_is_in_use_is_neither_removed_nor_replaced(user_of_it: subprocess.Popen[bytes]) -> None:
    with pytest.raises(errors.Conflict, match=str(user_of_it.pid)):
        release.remove(EMPTY)
    release.constraints(EMPTY).write_text("# changed\n")
    with pytest.raises(errors.Conflict, match=str(user_of_it.pid)):
        release.install(EMPTY)


def test_removing_leaves_nothing(tmp_path: Path) -> None:
    release.install(EMPTY)
    assert release.remove(EMPTY)
    assert not (tmp_path / "own" / "releases" / EMPTY).exists()
    assert not release.remove(EMPTY)
