"""Packages and source trees in lab files: how they are read, settled, planned, compared and exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm import release
from fakevm.lab import export, matrix, reading, releases
from fakevm.lab.apply import difference
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle.settling import Settled, settle
from fakevm.model.labfile.release import TreeFile
from fakevm.release.imports import Imports
from fakevm.testing.tree import package

SERIES = "2026.2"
VERSION = "29.0.0"


def tree(path: Path, series: str = SERIES) -> Path:
    """Make a tree of Neutron."""
    milestones = {"neutron/__init__.py": "", "neutron/db/migration/__init__.py": f"RELEASE_X = '{series}'\n"}
    return package(path, "neutron", files=milestones)


def written(folder: Path, text: str) -> reading.Written:
    """Read a lab file of a folder."""
    file = folder / "lab.yaml"
    file.write_text(text)
    return reading.load(file)


def settled(folder: Path, text: str) -> Settled:
    """Read one, and settle it."""
    read = written(folder, text)
    return settle(read.lab, kernel_datapath=False, place=read.place)


def test_paths_are_seen_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    text = "release: {path: ../neutron}\npackages: [./mine, mine.whl, sub/mine, tap-as-a-service==18.0.0]\n"
    lab = written(tmp_path, text + "hosts: {a: {release: {path: other/../there}}}\n").lab
    assert lab.release == TreeFile(path=f"{tmp_path.parent}/neutron")
    assert lab.hosts["a"].release == TreeFile(path=f"{tmp_path}/there")
    inside = [f"{tmp_path}/{name}" for name in ("mine", "mine.whl", "sub/mine")]
    assert list(lab.packages) == [*inside, "tap-as-a-service==18.0.0"]


@pytest.mark.parametrize(
    "requirement",
    [
        "a",
        "networking-foo>=1,<2",
        "a[b,c]==1",
        "a @ https://example.org/a.whl",
        "git+https://example.org/a@b",
        "a ~= 1",
    ],
)
def test_requirements_are_taken_as_pip_has_them(tmp_path: Path, requirement: str) -> None:
    assert written(tmp_path, f"packages: ['{requirement}']\n").lab.packages == (requirement,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("packages: [--index-url=http://x]", r":1: packages\.0: expected a package such as"),
        ("packages: ['a b']", r":1: packages\.0: expected a package"),
        ("packages: a", r":1: packages: a list is expected: \[a\]"),
        ("release: {}", r":1: release\.path: must be given"),
        ("release: {path: x, liek: 1}", r":1: release\.liek: unknown key. Did you mean 'like'"),
        ("release: {path: x, like: 2030.1}", r":1: release\.like: there is no release '2030\.1'"),
        ("release: 2030.1", r":1: release: there is no release '2030\.1'"),
        ("hosts: {a: {release: {pth: x}}}", r"hosts\.a\.release\.pth: unknown key. Did you mean 'path'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidFile, match=told):
        written(tmp_path, f"{text}\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("release: {path: nowhere}", r":1: release: there is no .*/nowhere"),
        ("hosts: {a: {release: {path: mine}}}", r":1: hosts\.a\.release: .*mine is mine, not a source tree of Neutron"),
        ("packages: [mine, nowhere]", r":1: packages\.1: there is no .*nowhere"),
        ("packages: [neutron]\nrelease: {path: old}", r"old is Neutron of 2023\.1"),
        ("packages: [./neutron]", r":1: packages\.0: .* is Neutron itself.*release: \{path: "),
        ("neutron: false\npackages: [mine]", r":2: packages: this lab has no Neutron"),
    ],
)
def test_what_cannot_be_installed_is_refused_beforehand(tmp_path: Path, text: str, told: str) -> None:
    package(tmp_path / "mine")
    tree(tmp_path / "neutron")
    tree(tmp_path / "old", "2023.1")
    with pytest.raises(InvalidFile, match=told):
        settled(tmp_path, f"{text.replace('[mine', '[./mine').replace(' nowhere]', ' ./nowhere]')}\n")


def test_a_tree_for_one_host_leaves_the_others_and_the_server_alone(tmp_path: Path) -> None:
    tree(tmp_path / "neutron")
    found = settled(tmp_path, "release: 29.0.0\nhosts: {a: {release: {path: neutron}}, b: {}, c: {release: 28.0.2}}\n")
    names = {host.name: host.release for host in found.plan.hosts}
    assert (found.plan.release, names["b"], names["c"]) == (VERSION, VERSION, "28.0.2")
    assert names["a"] == release.derive(VERSION, str(tmp_path / "neutron")).name
    (note,) = [note for note in found.notes if "libraries" in note.what]
    assert note.at == ("hosts", "a", "release")
    assert note.what == f"{tmp_path}/neutron runs with the libraries of Neutron 29.0.0 (2026.2): it is of 2026.2"


def test_packages_are_everybodys(tmp_path: Path) -> None:
    package(tmp_path / "mine")
    found = settled(tmp_path, "packages: [./mine]\nhosts: {a: {}, c: {release: 28.0.2}}\n")
    mine = (str(tmp_path / "mine"),)
    assert found.plan.release == found.plan.hosts[0].release == release.derive(VERSION, packages=mine).name
    assert found.plan.hosts[1].release == release.derive("28.0.2", packages=mine).name


def test_who_says_what_a_tree_is_like_is_believed(tmp_path: Path) -> None:
    tree(tmp_path / "neutron")
    found = settled(tmp_path, "release: {path: neutron, like: 2026.1}\n")
    assert found.plan.release.startswith("28.0.2+")
    assert not [note for note in found.notes if "libraries" in note.what]


def test_a_backend_that_does_not_run_with_a_tree_s_series_refuses_it(tmp_path: Path) -> None:
    tree(tmp_path / "neutron")
    with pytest.raises(InvalidFile, match="linuxbridge does not run with Neutron 29"):
        settled(tmp_path, "backend: linuxbridge\nrelease: {path: neutron}\n")


def test_a_lab_that_runs_keeps_its_trees_and_packages(tmp_path: Path) -> None:
    tree(tmp_path / "neutron")
    package(tmp_path / "mine")
    old = settled(tmp_path, "release: {path: neutron}\npackages: [./mine]\n").lab
    difference.refuse_fixed(old, settled(tmp_path, "release: {path: ./neutron}\npackages: [./mine]\n").lab)
    for text, what in (("release: {path: neutron}\n", "packages"), ("packages: [./mine]\n", "release")):
        with pytest.raises(Exception, match=f"cannot change: .*{what}"):
            difference.refuse_fixed(old, settled(tmp_path, text).lab)


def test_an_export_can_be_read_again(tmp_path: Path) -> None:
    tree(tmp_path / "neutron")
    lab = settled(tmp_path, "release: {path: neutron}\npackages: [tap-as-a-service]\n").lab
    again = reading.parse(export.written(lab), "again.yaml")
    assert (again.release, again.packages) == (lab.release, lab.packages)


def test_what_stands_in_a_lab_file_is_found_from_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"29.0.0+a": release.Derivation(VERSION, "29.0.0+a", "/a/neutron", ("b",))}
    monkeypatch.setattr(release, "made_from", made.get)
    assert releases.written("29.0.0+a") == TreeFile(path="/a/neutron", like=VERSION)
    assert releases.written("29.0.0+b") == VERSION
    assert releases.written(VERSION) == VERSION


def test_a_tree_goes_over_many_backends_but_not_many_releases(tmp_path: Path) -> None:
    tree(tmp_path / "neutron")
    lab = written(tmp_path, "release: {path: neutron}\n").lab
    (ovs, ovn) = matrix.variants(lab, {"backend": ["ovs", "ovn"]})
    assert (ovs.title, ovn.title) == ("ovs 29.0.0", "ovn 29.0.0")
    assert matrix.lab_of(lab, ovn).release == lab.release
    with pytest.raises(Exception, match="is a source tree"):
        matrix.variants(lab, {"release": ["2026.1", "2026.2"]})


FILES = {
    "mine/__init__.py": "",
    "mine/agent.py": "from . import common\nfrom mine.deep import inner as other\nimport os, neutron.nothing\n",
    "mine/common.py": "NAME = 'mine.named.by_word.Class'\n",
    "mine/named/__init__.py": "",
    "mine/named/by_word.py": "class Class: pass\n",
    "mine/deep/__init__.py": "from .hidden import *\n",
    "mine/deep/inner.py": "def late():\n    from mine import lazily\n",
    "mine/deep/hidden.py": "",
    "mine/lazily.py": "",
    "mine/server.py": "import mine.broken\n",
    "mine/broken.py": "def\n",
}


def test_all_that_a_program_imports_of_a_tree_is_found(tmp_path: Path) -> None:
    path = package(tmp_path / "mine", files=FILES)
    kept = tmp_path / "kept.json"
    (path / "mine.py").unlink()
    found = Imports([path], kept).reached(["mine.agent", "elsewhere", "mine.agent.Class"])
    there = {str(file.relative_to(path / "mine")) for file in found}
    assert there == {name.removeprefix("mine/") for name in FILES} - {"server.py", "broken.py"}
    assert Imports([path], kept).reached(["mine.server"]) == {
        path / f"mine/{name}.py" for name in ("__init__", "server", "broken")
    }


def test_what_was_read_of_a_file_is_read_again_when_it_is_another(tmp_path: Path) -> None:
    path = package(tmp_path / "mine", files=FILES)
    (path / "mine.py").unlink()
    kept = tmp_path / "kept.json"
    assert path / "mine/lazily.py" not in Imports([path], kept).reached(["mine.common"])
    (path / "mine/common.py").write_text("import mine.lazily\n")
    assert path / "mine/lazily.py" in Imports([path], kept).reached(["mine.common"])


def test_a_package_that_imports_all_that_is_in_it_reaches_that(tmp_path: Path) -> None:
    """Neutron's objects do, and so does their database."""
    files = {
        "mine/__init__.py": "from walk import import_modules_recursively\nimport_modules_recursively('here')\n",
        "mine/objects/__init__.py": "",
        "mine/objects/thing.py": "from other import model\n",
        "other/__init__.py": "import pkgutil\n",
        "other/model.py": "",
        "other/unrelated.py": "",
    }
    path = package(tmp_path / "mine", files=files)
    (path / "mine.py").unlink()
    found = Imports([path], tmp_path / "kept.json").reached(["mine"])
    assert {path / "mine/objects/thing.py", path / "other/model.py"} <= found
    assert path / "other/unrelated.py" not in found
