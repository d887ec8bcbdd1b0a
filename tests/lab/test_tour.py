"""The tour of the README: its commands, word for word, in one shell; what it shows comes, but for numbers and ids."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
# Of ports, in names of devices, of MAC and IPv6 addresses.
_IDS = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|(?:(?<=qfv)|(?<=tap))[0-9a-f]{8}-[0-9a-f]{1,2}"
    r"|(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|[0-9a-f]{1,4}::[0-9a-f:]+"
)
# Printed between commands, with the status of the one before.
MARK = "--- end of command, status"


class Shown(NamedTuple):
    """A command of the tour, and the lines that the README shows of its output."""

    command: str
    output: tuple[str, ...]


def tour(text: str) -> list[Shown]:
    """Read the ``console`` blocks: lines with ``$`` are commands, others are output, ``...`` stands for any lines."""
    found: list[Shown] = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Shown(line[2:], ()))
            elif line.strip():
                found[-1] = found[-1]._replace(output=(*found[-1].output, line))
    return found


def loosely(line: str) -> str:
    """Make a pattern of a shown line: numbers, ids and the widths of columns may differ."""
    words = _IDS.sub("\0", line)
    words = re.sub(r"[0-9]+(\.[0-9]+)*", "\1", words)
    # Columns and tables are as wide as their contents.
    words = re.sub(r"[-+]{3,}", "\2", words)
    pattern = re.escape(re.sub(r"\s+", " ", words.strip()))
    pattern = pattern.replace("\0", r"[0-9a-f:-]+").replace("\1", r"[0-9.]+").replace("\2", r"[-+]+")
    return pattern.replace(r"\ ", r"\s*")


def run(commands: list[str], labs: Path) -> list[str]:
    """Run commands in one shell; returns the output of each, and fails at the first that fails."""
    script = "".join(f"{command}\nprintf '\\n%s %s\\n' '{MARK}' $?\n" for command in commands)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "FAKEVM_L"))}
    done = subprocess.run(
        ["bash"], input=script, env=environment | {"FAKEVM_LABS": str(labs)}, cwd=ROOT, text=True, timeout=1800,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    parts = re.split(rf"\n{MARK} (\d+)\n", done.stdout)
    for command, output, status in zip(commands, parts[::2], parts[1::2], strict=False):
        assert status == "0", f"$ {command}\n{output}"
    assert len(parts) == 2 * len(commands) + 1, done.stdout[-3000:]
    return parts[:-1:2]


@pytest.mark.lab
def test_the_tour_goes_as_the_readme_says(tmp_path: Path) -> None:
    steps = tour((ROOT / "README.md").read_text())
    assert len(steps) > 10
    try:
        outputs = run([step.command for step in steps], tmp_path)
    finally:
        subprocess.run(
            [ROOT / ".venv/bin/fakevm", "lab", "down", "--all"],
            env={**os.environ, "FAKEVM_LABS": str(tmp_path)},
            check=True,
        )
    # Where root's labs are by default.
    outputs = [output.replace(str(tmp_path), "/var/lib/fakevm/labs") for output in outputs]
    for step, output in zip(steps, outputs, strict=True):
        for line in step.output:
            assert line == "..." or re.search(loosely(line), output), f"$ {step.command}\nshows no {line!r}:\n{output}"
    assert not list(tmp_path.iterdir()), "the tour left its lab"


def test_a_shown_line_fits_other_numbers_and_no_other_words() -> None:
    shown = "| vm1 | 24752d21-c56e-4b52-82b8-8c9c2f3daa32 | 10.0.0.205/24 | took 1.14 |"
    assert re.search(loosely(shown), "| vm2  | 11112d21-c56e-4b52-82b8-8c9c2f3daa32 | 10.0.0.7/24    | took 21.1 |")
    assert not re.search(loosely(shown), "| vm1 | 24752d21-c56e-4b52-82b8-8c9c2f3daa32 | 10.0.0.205/24 | lost 1.14 |")
