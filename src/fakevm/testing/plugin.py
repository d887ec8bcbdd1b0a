"""A pytest plugin that keeps the logs of labs when a test fails.

It is found by itself (entry point ``pytest11``). When a test fails, what the programs of its labs wrote is copied
before the labs are removed, and the failure's report says where it is, with the last telling lines. The ini option
``fakevm_logs`` names the folder.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from .labs import Labs, living

TELLING = ("ERROR", "CRITICAL", "Traceback", "error:", "Error:", "failed", "fatal")
# Of each log, at most: lines, and characters of each.
_LINES = 4
_WIDTH = 300
# Labs that were there before a test began.
_BEFORE = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the folder of the logs be chosen."""
    parser.addini("fakevm_logs", "the folder for logs of labs whose test failed", default="fakevm-logs")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note which labs are older than the test."""
    item.stash[_BEFORE] = len(living())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Keep the logs of a failed test's labs while they are there, and show what is telling in them."""
    report = yield
    if report.failed:
        for labs in _labs_of(item):
            with contextlib.suppress(OSError):
                if text := keep(labs, _folder(item)):
                    report.sections.append(("labs", text))
    return report


def _labs_of(item: pytest.Item) -> list[Labs]:
    """Find the labs that a test was given, and those that it or its fixtures made."""
    values = [*getattr(item, "funcargs", {}).values(), *living()[item.stash.get(_BEFORE, 0) :]]
    found = {id(x): x for value in values for x in (value, getattr(value, "labs", None)) if isinstance(x, Labs)}
    return list(found.values())


def _folder(item: pytest.Item) -> Path:
    name = re.sub(r"[^\w.\[\]-]+", "_", item.nodeid)
    return item.config.rootpath / str(item.config.getini("fakevm_logs")) / name[-150:]


def keep(labs: Labs, target: Path) -> str:
    """Copy the logs of labs to a folder; gives what to say of them: where they are, the last telling lines."""
    logs = labs.logs()
    if not logs:
        return ""
    text = [f"the logs are kept in {target}"]
    for path in logs:
        copy = target / labs.mark / path.relative_to(labs.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        lines = [line for line in path.read_text(errors="replace").splitlines() if any(w in line for w in TELLING)]
        text += [f"{path.relative_to(labs.root)}: {line[:_WIDTH]}" for line in lines[-_LINES:]]
    return "\n".join(text)
