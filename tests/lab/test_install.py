"""FakeVM installed as its guide says, by pip and by pipx, away from the checkout. Needs a package index."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from . import pages
from .conftest import Labs

PAGE = pages.ROOT / "docs/howto/install.md"


@pytest.mark.slow
def test_pip_and_pipx_install_what_works_without_the_checkout(labs: Labs, tmp_path: Path) -> None:
    source, home = tmp_path / "checkout", tmp_path / "home"
    home.mkdir()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=pages.ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pages.ROOT / name, target)
    tools = tmp_path / "tools"
    subprocess.run([sys.executable, "-m", "venv", tools], check=True)
    subprocess.run([tools / "bin/pip", "install", "--quiet", "pipx"], check=True)
    # Neither our own environment nor its Python is to be found by what is installed.
    own = str(Path(sys.executable).parent)
    path = os.pathsep.join([str(tools / "bin"), *(p for p in os.environ["PATH"].split(os.pathsep) if p != own)])
    environment = labs.env(HOME=str(home), PATH=path) | {"FAKEVM_CACHE": os.environ.get("FAKEVM_CACHE", "")}
    environment = {
        key: value for key, value in environment.items() if value and key not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    # The guide's last lab is run when the checkout is gone.
    text = pages.script(PAGE, source).replace("cd ~\n", f"cd ~\nmv {source} {source}.gone\n")
    done = subprocess.run(
        ["bash", "-x", "-c", text], cwd=source, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=3600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    assert len(re.findall(r"^fakevm [\d.]+", done.stdout, re.MULTILINE)) == 2
    assert (home / ".local/bin/pytest").exists()
