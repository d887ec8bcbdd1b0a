"""Where QEMU, or what the tiny machine is of, is not there: labs with virtual machines are refused, others are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.backend import base
from fakevm.cli.lab import need_programs
from fakevm.doctor import tools
from fakevm.doctor.finding import Status
from fakevm.errors import Prerequisite
from fakevm.lab import reading

PLAIN = "neutron: false\nhosts: {host1: {}}\nguests: {a: {kind: KIND}}\n"


@pytest.fixture
def without_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("fakevm.tool.finding._SYSTEM", tmp_path)
    monkeypatch.setenv("FAKEVM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("fakevm.release.cache.SYSTEM_CACHE", tmp_path / "none")


def need(kind: str) -> None:
    lab = reading.parse(PLAIN.replace("KIND", kind), "x.yaml")
    need_programs(lab, base.load(lab.backend))


@pytest.mark.usefixtures("without_tools")
def test_a_lab_with_virtual_machines_is_refused_before_it_starts() -> None:
    with pytest.raises(Prerequisite, match="qemu is not installed") as refused:
        need("vm")
    assert "fakevm tool install qemu" in refused.value.hint
    need("namespace")


@pytest.mark.usefixtures("without_tools")
def test_the_doctor_says_what_is_switched_off() -> None:
    found = {finding.name: finding for finding in tools.check()}
    for name in ("qemu", "tiny-vm"):
        assert (found[name].status, found[name].required) == (Status.MISSING, False)
        assert "virtual machines" in found[name].without_it
        assert f"fakevm tool install {name}" in found[name].remedy
