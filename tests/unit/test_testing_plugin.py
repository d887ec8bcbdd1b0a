"""The pytest plugin: found by itself, it keeps the logs of a failed test's labs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fakevm.errors import LabFailed
from fakevm.testing.labs import Done, Labs, living

TESTS = """
import pytest
from fakevm.testing.labs import Labs

def written(labs, line):
    log = labs.root / "x/log/neutron-api.log"
    log.parent.mkdir(parents=True)
    log.write_text("all is well\\n" + line + "\\n")

@pytest.fixture
def own():
    labs = Labs.made()
    written(labs, "CRITICAL of the fixture")
    yield "not the labs themselves"
    labs.remove()

@pytest.fixture
def broken(request):
    labs = Labs.made()
    request.addfinalizer(labs.remove)
    written(labs, "ERROR of the setup")
    raise RuntimeError("it did not come up")

def test_good(own): pass
def test_bad(own): assert False
def test_given(fakevm_labs):
    written(fakevm_labs, "Traceback of the given")
    assert False
def test_never(broken): pass
"""


def test_the_logs_of_failed_tests_are_kept_and_shown(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert "2 failed, 1 passed, 1 error" in done.stdout
    kept = {path.read_text().splitlines()[-1] for path in tmp_path.glob("fakevm-logs/**/neutron-api.log")}
    assert kept == {"CRITICAL of the fixture", "ERROR of the setup", "Traceback of the given"}
    for line in kept:
        assert done.stdout.count(f"x/log/neutron-api.log: {line}") == 1
    assert done.stdout.count(f"the logs are kept in {tmp_path}/fakevm-logs/test_it.py_test_") == 3
    assert "all is well" not in done.stdout


def test_labs_that_cannot_be_ended_keep_their_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_labs: Labs, *words: str, **_: Any) -> Done:
        return Done(words, 1, "", "error: it will not end\n")

    labs = Labs.made()
    try:
        with monkeypatch.context() as patched:
            patched.setattr(Labs, "fakevm", fails)
            with pytest.raises(LabFailed, match="it will not end") as caught:
                labs.remove()
        assert f"FAKEVM_LABS={labs.root} fakevm lab down --all" in caught.value.hint
        assert labs.root.exists()
        assert labs not in living()
    finally:
        shutil.rmtree(labs.folder)
