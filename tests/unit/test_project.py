"""The repository itself: what no compiler checks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint, packages_distributions
from pathlib import Path
from typing import Any

import pytest

from fakevm import release
from fakevm.doctor.programs import PROGRAMS

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENTRY_POINTS = [
    EntryPoint(name, value, group)
    for group, entries in {
        "console_scripts": PROJECT["project"]["scripts"],
        **PROJECT["project"]["entry-points"],
    }.items()
    for name, value in entries.items()
]


def tracked(*patterns: str) -> list[Path]:
    """List the project's files: what git has, or what a source archive without git holds."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def packages() -> list[str]:
    """Read the list of Debian packages."""
    return (ROOT / "setup/debian-packages.txt").read_text().split()


def test_debian_packages_are_sorted_and_unique() -> None:
    assert packages() == sorted(set(packages()))


def test_what_the_doctor_recommends_is_what_set_up_installs() -> None:
    assert {program.package for program in PROGRAMS} <= set(packages())


@pytest.mark.parametrize(
    "file",
    [ROOT / "setup/constraints-fakevm.txt", *map(release.constraints, release.shipped())],
    ids=lambda file: file.name,
)
def test_constraints_pin_versions_and_name_no_place(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert lines == sorted(lines, key=lambda line: line.lower().partition("==")[0])
    pin = r'[A-Za-z0-9._-]+==[A-Za-z0-9.!_-]+( ; python_version >= "3\.\d+")?'
    wrong = [line for line in lines if not re.fullmatch(pin, line)]
    assert not wrong


def test_a_release_pins_itself() -> None:
    for version in release.shipped():
        assert f"neutron=={version}" in release.constraints(version).read_text().splitlines()


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    places = [f"{place}/" for place in (ROOT, Path.home(), Path(sys.prefix)) if len(place.parts) > 1]
    found = [
        f"{path.relative_to(ROOT)}: {place}"
        for path in tracked()
        for place in places
        if place in path.read_text(errors="replace")
    ]
    assert not found


def test_decisions_are_numbered_listed_and_complete() -> None:
    records = [path for path in tracked("docs/adr/*.md") if path.name[:4].isdigit()]
    assert [int(path.name[:4]) for path in records] == list(range(len(records)))
    index = (ROOT / "docs/adr/README.md").read_text()
    for path in records:
        assert f"({path.name})" in index
        for heading in ("Status: ", "## Context", "## Decision", "## Consequences"):
            assert f"\n{heading}" in path.read_text(), f"{path.name} lacks {heading!r}"


def test_news_fragments_are_of_a_known_kind() -> None:
    kinds = "|".join(kind["directory"] for kind in PROJECT["tool"]["towncrier"]["type"])
    fragments = [path.name for path in tracked("changelog.d/*") if path.name != "README.md"]
    assert not [name for name in fragments if not re.fullmatch(rf"(\d+|\+[\w-]+)\.({kinds})\.md", name)]


def test_files_and_functions_stay_small() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in tracked("*.py", "*.sh")}
    long = sorted(str(path.relative_to(ROOT)) for path, lines in sizes.items() if lines >= 300)
    assert len(long) <= len(sizes) // 20, f"more than one file in twenty has 300 lines: {long}"
    spans = sorted(
        node.end_lineno - node.lineno + 1
        for path in tracked("src/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno
    )
    assert spans[len(spans) * 9 // 10] <= 25
    assert spans[len(spans) * 99 // 100] <= 60


@pytest.mark.parametrize("script", tracked("*.sh", ".ci/run", "setup/python", "bench/run"), ids=lambda path: path.name)
def test_scripts_are_well_formed(script: Path) -> None:
    interpreter = script.read_text().partition("\n")[0].removeprefix("#!").removeprefix("/usr/bin/env ")
    if "python" in interpreter:
        ast.parse(script.read_text())
    else:
        assert interpreter in ("/bin/sh", "/bin/bash")
        subprocess.run([interpreter, "-n", script], check=True)


@pytest.mark.parametrize("entry", ENTRY_POINTS, ids=lambda entry: f"{entry.group}:{entry.name}")
def test_entry_points_load(entry: EntryPoint) -> None:
    assert entry.load() is not None


def test_the_command_line_starts_without_what_only_some_commands_need() -> None:
    heavy = ["oslo_messaging", "openstack", "pyroute2", "os_vif", "fakevm.agent"]
    code = f"import sys, fakevm.cli.main; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# What is declared for its program: `openstack`, whose commands ours are too.
PROGRAMS_ONLY = {"python-openstackclient", "py-spy"}


def distribution(words: str) -> str:
    """Name a distribution as packaging compares them (PEP 503), without extras and versions."""
    name = re.match(r"[A-Za-z0-9._-]+", words)
    assert name, words
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def imported(*patterns: str) -> set[str]:
    """Find the distributions that modules import, by their syntax: also inside functions."""
    known = packages_distributions()
    found: set[str] = set()
    for path in tracked(*patterns):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    tops = {name.partition(".")[0] for name in found} - sys.stdlib_module_names - {"fakevm"}
    return {distribution(known.get(top, [top])[0]) for top in tops}


def test_what_is_imported_is_declared_and_nothing_else_is() -> None:
    declared = set(map(distribution, PROJECT["project"]["dependencies"]))
    # What is in in_neutron runs in Neutron's environment, with what that has.
    wanted = imported("src/fakevm/*.py", ":!src/fakevm/in_neutron", ":!src/fakevm/testing")
    assert wanted == declared - PROGRAMS_ONLY
    extra = PROJECT["project"]["optional-dependencies"]["testing"]
    assert imported("src/fakevm/testing/*.py") - declared == set(map(distribution, extra))


def test_make_help_lists_the_targets() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"demo", "test", "lint", "bench", "doctor"} <= {line.split()[0] for line in done.stdout.splitlines()}
