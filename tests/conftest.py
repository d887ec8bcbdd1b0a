"""The tiers of the tests: unit (all without another mark), netns and lab, run in this order.

Whoever asks for a tier gets it or a failure: what it needs and this machine lacks is no reason to skip.
Choose with ``-m unit``, ``-m "not lab"`` and so on.
"""

from __future__ import annotations

import os
import shutil
import signal
import tomllib
from functools import cache
from pathlib import Path

import pytest

TIERS = ("unit", "netns", "lab")
# Set in the sandbox of a test of the tier netns, whose pytest outside has asked what there is.
SANDBOX = "FAKEVM_TEST_SANDBOX"
TOY = Path(__file__).with_name("toy_backend")


def _tier(item: pytest.Item) -> str:
    return next((tier for tier in reversed(TIERS) if item.get_closest_marker(tier)), "unit")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the slow tests be asked for."""
    parser.addoption("--slow", action="store_true", help="run the slow tests as well, as `make test-all` does")


def pytest_configure() -> None:
    """Let commands that tests start be interrupted, also when ours is not: a script's ``&``, and nohup.

    A signal that is ignored is so in children, too; one with a handler is as by default there.
    """
    for signum in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, lambda _signum, _frame: None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what has no tier as unit, put the quick tiers first, and leave out what must be asked for."""
    if not config.getoption("--slow"):
        left_out = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        item.add_marker(_tier(item))
    items.sort(key=lambda item: TIERS.index(_tier(item)))


@cache
def _lacking(tier: str) -> str:
    """Say what a tier needs and this machine lacks; empty when it is all there."""
    # Not where a test has a pytest of its own: each of them would import it.
    from fakevm import doctor
    from fakevm.doctor import permissions
    from fakevm.lab import registry

    if tier == "netns":
        findings = [permissions.namespaces()]
    elif tier == "lab":
        findings = doctor.examine(registry.root())
    else:
        return ""
    if doctor.can_run_default_lab(findings):
        return ""
    missing = [finding for finding in findings if finding.required and finding.status is doctor.Status.MISSING]
    return "\n".join(f"{found.name}: {found.detail or 'missing'} ({found.remedy})" for found in missing)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose tier cannot run here."""
    if not os.environ.get(SANDBOX) and (lacking := _lacking(_tier(item))):
        pytest.fail(f"this machine cannot run the tests of the tier {_tier(item)}:\n{lacking}", pytrace=False)


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the toy backend, a package of its own, in a folder: as ``pip install --target``, without an index."""
    folder = tmp_path_factory.mktemp("toy")
    project = tomllib.loads((TOY / "pyproject.toml").read_text())["project"]
    shutil.copytree(TOY / "src/fakevm_toy", folder / "fakevm_toy", ignore=shutil.ignore_patterns("__pycache__"))
    about = folder / f"fakevm_toy-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()) for group, points in groups
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))
    return folder
