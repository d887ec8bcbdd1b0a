"""The doctor against the real kernel; that nothing is left is checked for every test here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fakevm import doctor
from fakevm.doctor import kernel
from fakevm.doctor.finding import Status
from fakevm.linux import kernel as attempts
from fakevm.linux.permission import needs_user_namespace

pytestmark = pytest.mark.netns
USER = needs_user_namespace()


def test_a_feature_that_works_is_ok() -> None:
    feature = kernel.Feature("loopback", "ip link set lo up", "all", "none")
    assert kernel.find(feature, user=USER).status is Status.OK


def test_a_feature_that_does_not_says_what_the_kernel_said() -> None:
    feature = kernel.Feature("nonsense", "ip link add fakevm0 type nonsense", "nothing", "nonsense")
    finding = kernel.find(feature, user=USER)
    assert finding.status is Status.MISSING
    assert "nknown device type" in finding.detail


def test_an_ordinary_user_s_attempt_is_made_in_a_user_namespace() -> None:
    assert attempts.missing(attempts.PAIR, user=True) == ""


def test_an_attempt_that_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_PATIENCE", 0.2)
    assert attempts.missing("exec sleep 60", user=USER) == "no answer in 0 s"


def test_everything_is_examined(tmp_path: Path) -> None:
    findings = doctor.examine(tmp_path)
    assert {finding.kind for finding in findings} == {
        "program",
        "kernel",
        "permission",
        "resource",
        "limit",
        "release",
        "tool",
    }
    assert len({(finding.kind, finding.name) for finding in findings}) == len(findings)
    for finding in findings:
        assert finding.without_it
        assert finding.remedy


@pytest.mark.parametrize("path", ["/usr/bin:/bin:/usr/sbin:/sbin", "/nowhere"])
def test_the_exit_status_tells_whether_the_default_lab_can_run(path: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fakevm.cli.main", "doctor", "-f", "json"]
    environment = {"PATH": path, "FAKEVM_LABS": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    findings = json.loads(done.stdout)
    needed = [found for found in findings if found["Needed"] and found["Status"] == "missing"]
    assert done.returncode == bool(needed)
