"""What a run of tests leaves when it is killed is removed after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakevm.testing import leftovers

RUN = """\
import os
from fakevm.lab import warm
from fakevm.testing.labs import Labs
warm.kept_for = lambda _version: []
labs = Labs.made()
print(labs.folder, os.environ["FAKEVM_KEPT"], flush=True)
input()
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_leaves_no_folders(tmp_path: Path, signum: int) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    for name in ("FAKEVM_KEPT", "FAKEVM_WARM"):
        environment.pop(name, None)
    with subprocess.Popen(
        [sys.executable, "-c", RUN], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    ) as run:  # fmt: skip
        assert run.stdout
        folders = [Path(word) for word in run.stdout.readline().split()]
        assert [folder.is_dir() for folder in folders] == [True, True]
        run.send_signal(signum)
    assert gone(*folders)


def gone(*folders: Path) -> bool:
    deadline = time.monotonic() + 60
    while any(folder.exists() for folder in folders) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(folder.exists() for folder in folders)


def end(told: str, fakevm: Path) -> None:
    """Run the program that outlives a run, which told it so much."""
    subprocess.run(
        [sys.executable, "-I", "-S", leftovers.__file__, str(fakevm)], input=told, text=True, timeout=60, check=True
    )


def stub(folder: Path, status: int) -> Path:
    """Write a ``fakevm`` that notes what it is asked for."""
    made = folder / "fakevm"
    made.write_text(f'#!/bin/sh\necho "$FAKEVM_LABS $*" >>{folder}/asked\nexit {status}\n')
    made.chmod(0o755)
    return made


def test_labs_are_ended_before_their_folder_is_removed(tmp_path: Path) -> None:
    labs, plain = tmp_path / "one", tmp_path / "two"
    (labs / "labs").mkdir(parents=True)
    plain.mkdir()
    end(f"+{labs}\n+{plain}\n+{tmp_path}/never\n", stub(tmp_path, 0))
    assert (tmp_path / "asked").read_text() == f"{labs}/labs lab down --all\n"
    assert not labs.exists() and not plain.exists()


def test_labs_that_cannot_be_ended_stay_and_so_does_what_is_to_be_left_alone(tmp_path: Path) -> None:
    (tmp_path / "one/labs").mkdir(parents=True)
    (tmp_path / "two/labs").mkdir(parents=True)
    end(f"+{tmp_path}/one\n+{tmp_path}/two\n-{tmp_path}/two\n", stub(tmp_path, 1))
    assert (tmp_path / "asked").read_text() == f"{tmp_path}/one/labs lab down --all\n"
    assert (tmp_path / "one").is_dir() and (tmp_path / "two").is_dir()
