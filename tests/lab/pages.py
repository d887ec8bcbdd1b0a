"""Pages of the documentation as programs: the files that they show are written, and their commands are run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from fakevm.testing.labs import BIN

from .conftest import Labs

ROOT = Path(__file__).parents[2]
# Fenced blocks; and comments that are not shown, for what a page takes for granted: <!-- before: COMMAND -->
_PART = re.compile(
    r"^```(?P<language>\w+)\n(?P<text>.*?)^```$|^<!-- before: (?P<before>.*?) -->$", re.DOTALL | re.MULTILINE
)
_FILE_NAME = re.compile(r"# ([\w./-]+\.\w+)\n")
# What goes on until Ctrl-C.
_ENDLESS = re.compile(r"^fakevm .*(lab logs .* -f|-- tcpdump .*|events --follow)(\s+#.*)?$", re.MULTILINE)
# A comment says so when a command is to fail: by its exit status, or by what it says then.
_FAILING = re.compile(
    r"^(?P<command>\S.*\S)\s+# (exit status (?P<status>\d+)|\w+Exception.*… (?P<words>.*))$", re.MULTILINE
)
_PROLOGUE = """\
set -euo pipefail
until_interrupted() { timeout --signal=INT 10 "$@" || case $? in 124 | 130) ;; *) return 1 ;; esac; }
fails() {  # STATUS WORDS COMMAND: any status when it is empty
    local said status=0
    said=$(eval "$3" 2>&1) || status=$?
    printf '%s\\n' "$said"
    [ "$status" -ne 0 ] && [ "$status" -eq "${1:-$status}" ] && case $said in *"$2"*) ;; *) return 1 ;; esac
}
"""


def script(page: Path, folder: Path) -> str:
    """Write the files that a page shows into a folder, and make a script of its commands, word for word."""
    lines = [_PROLOGUE]
    for part in _PART.finditer(page.read_text()):
        if part["before"]:
            lines.append(part["before"])
        elif part["language"] == "sh":
            lines.append(_runnable(part["text"]))
        elif name := _FILE_NAME.match(part["text"]):
            path = folder / name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(part["text"])
        elif part["language"] == "python":
            lines.append(f"python <<'END OF PYTHON'\n{part['text']}END OF PYTHON")
    # A fence that is indented, or has no language, is not seen: nothing would be run, and the page be called good.
    assert re.search(r"^```sh$", page.read_text(), re.MULTILINE), f"{page.name} has no commands"
    return "\n".join(lines) + "\n"


def _runnable(commands: str) -> str:
    """Interrupt what does not end by itself, and expect the failures that comments speak of."""
    commands = _ENDLESS.sub(lambda found: f"until_interrupted {found[0]}", commands)
    return _FAILING.sub(_failing, commands)


def _failing(found: re.Match[str]) -> str:
    quoted = found["command"].replace("'", "'\\''")
    return f"fails '{found['status'] or ''}' '{found['words'] or ''}' '{quoted}'"


def checkout(folder: Path) -> Path:
    """Make a folder look like the checkout, so that what a page writes there is not in it."""
    for entry in ROOT.iterdir():
        if entry.name not in (".git", "build", "tests", ".pytest_cache"):
            (folder / entry.name).symlink_to(entry)
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(ROOT / "tests/toy_backend", folder / "tests/toy_backend", ignore=ignored)
    return folder


def run(page: Path, folder: Path, labs: Labs, timeout: float) -> str:
    """Run a page in a shell, as if in the checkout after ``. .venv/bin/activate``; returns what was shown.

    ``timeout`` is in seconds. Fails at the first command that fails, with what was shown until then.
    """
    file = folder / "page.sh"
    file.write_text(script(page, checkout(folder)))
    environment = labs.env(PATH=f"{BIN}:{os.environ['PATH']}")
    done = subprocess.run(
        ["bash", "-x", file], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{page.name}: exit status {done.returncode}\n{done.stdout[-6000:]}"
    return done.stdout
