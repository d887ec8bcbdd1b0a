"""Findings that one command shows: it is run as their page has it; it fails once Neutron behaves otherwise."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from .conftest import Labs

pytestmark = [pytest.mark.lab, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
# A page may have others, which bring up a lab to look around in.
_SHOWN = re.compile(r"^fakevm (check \S+\.yaml --matrix [^#\n]*)", re.MULTILINE)
PAGES = sorted(ROOT.glob("docs/findings/*.md"))
SHOWN = {page.name[:4]: found[1] for page in PAGES if (found := _SHOWN.search(page.read_text()))}


@pytest.mark.parametrize("finding", sorted(SHOWN))
def test_its_command_shows_it(finding: str, labs: Labs) -> None:
    words = [str(ROOT / word) if word.endswith(".yaml") else word for word in shlex.split(SHOWN[finding])]
    shown = labs.fakevm(*words, "-f", "json", timeout=900)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    seen = [cell["status"] for row in json.loads(shown.stdout) for name, cell in row.items() if name != "check"]
    assert set(seen) == {"met"}
