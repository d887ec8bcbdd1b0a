"""What the doctor makes of what it sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm import doctor
from fakevm.doctor import machines, permissions, programs, resources
from fakevm.doctor.finding import Finding, Status
from fakevm.linux.permission import needs_user_namespace

GIB = 2**30


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("unshare from util-linux 2.38.1\n", "2.38.1"),
        ("ip utility, iproute2-6.1.0, libbpf 1.1.0\n", "6.1.0"),
        ("ethtool version 6.1\n", "6.1"),
        ("mariadbd  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu\n", "10.11.6-MariaDB-0+deb12u1"),
        ("Dnsmasq version 2.90  Copyright (c) 2000-2024 Simon Kelley\n", "2.90"),
        ("isc-dhclient-4.4.3-P1\n", "4.4.3-P1"),
        ("ping from iputils 20221126\n", "20221126"),
        ("iptables v1.8.9 (nf_tables)\n", "1.8.9"),
        ("HAProxy version 2.6.12-1+deb12u1 2023/12/16", "2.6.12-1+deb12u1"),
        ("ARPing 2.23, by Thomas Habets <thomas@habets.se>\n", "2.23"),
        ("usage: program [options]\n", ""),
    ],
)
def test_version_is_found_in_what_programs_say(text: str, version: str) -> None:
    assert programs.parse_version(text) == version


def test_a_program_that_is_not_there_is_missing_and_says_where_to_get_it() -> None:
    finding = programs.find(programs.Program("no-such-program-anywhere", "its-package", "all of it"))
    assert finding.status is Status.MISSING
    assert finding.required
    assert "its-package" in finding.remedy


def test_a_program_that_is_there_is_ok() -> None:
    finding = programs.find(programs.Program("sh", "dash", "all", ask=()))
    assert finding.status is Status.OK
    assert finding.detail.endswith("/sh")


@pytest.mark.parametrize(
    ("total", "available", "status"),
    [
        (8 * GIB, 4 * GIB, Status.OK),
        (8 * GIB, 1 * GIB, Status.LIMITED),
        (2 * GIB, 2 * GIB, Status.MISSING),
    ],
)
def test_memory_must_hold_the_default_lab(total: int, available: int, status: Status) -> None:
    assert resources.judge_memory(total, available).status is status


def test_a_container_s_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{3 * GIB}\n")
    (tmp_path / "memory.current").write_text(f"{GIB}\n")
    assert resources.cgroup_room(tmp_path) == (3 * GIB, 2 * GIB)


def test_a_container_without_limit_does_not(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1\n")
    assert resources.cgroup_room(tmp_path) is None
    assert resources.cgroup_room(tmp_path / "absent") is None


def test_disk_space_is_that_of_the_folder_to_be(tmp_path: Path) -> None:
    finding = resources.disk(tmp_path / "not" / "yet", "labs")
    assert str(tmp_path / "not" / "yet") in finding.detail


def test_tun_that_is_not_there_switches_the_userspace_datapath_off(tmp_path: Path) -> None:
    finding = permissions.tun(tmp_path / "tun")
    assert (finding.status, finding.required) == (Status.MISSING, True)
    assert "chmod 0666" in finding.remedy
    assert not permissions.tun(tmp_path / "tun", kernel_datapath=True).required


@pytest.mark.parametrize(("mode", "status"), [(0o600, Status.LIMITED), (0o666, Status.OK)])
def test_tun_for_this_user_only_is_a_limit(tmp_path: Path, mode: int, status: Status) -> None:
    device = tmp_path / "tun"
    device.touch()
    device.chmod(mode)
    assert permissions.tun(device).status is status


@pytest.mark.parametrize(("mask", "needs"), [("000001ffffffffff", False), ("0000000000000000", True)])
def test_capabilities_decide_on_the_user_namespace(tmp_path: Path, mask: str, needs: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tx\nCapEff:\t{mask}\n")
    assert needs_user_namespace(status) is needs


@pytest.mark.parametrize(
    ("status", "required", "can"),
    [
        (Status.MISSING, True, False),
        (Status.MISSING, False, True),
        (Status.LIMITED, True, True),
        (Status.OK, True, True),
    ],
)
def test_only_what_is_needed_and_missing_stops_the_lab(status: Status, required: bool, can: bool) -> None:
    finding = Finding(kind="program", name="x", status=status, required=required)
    assert doctor.can_run_default_lab([finding]) is can


@pytest.mark.parametrize(
    ("mode", "kept", "says"),
    [
        (None, "", "there is no"),
        (0o600, "", "may not use it"),
        (0o666, "tcg {boot} vmlinuz", "hang"),
        (0o666, "tcg of-an-earlier-boot vmlinuz", ""),
        (0o666, "kvm {boot} vmlinuz", ""),
    ],
)
def test_why_virtual_machines_are_emulated_is_told(
    mode: int | None, kept: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device, tried = tmp_path / "kvm", tmp_path / "tools/tiny-vm/acceleration"
    if mode is not None:
        device.touch(mode)
        device.chmod(mode)
    tried.parent.mkdir(parents=True)
    tried.write_text(kept.format(boot=Path("/proc/sys/kernel/random/boot_id").read_text().strip()))
    monkeypatch.setattr("fakevm.vm.acceleration._DEVICE", device)
    monkeypatch.setattr("fakevm.vm.acceleration.own_cache", lambda: tmp_path)
    monkeypatch.setattr("fakevm.vm.jail.user", lambda _guest: 1_900_000_001)
    (finding,) = machines.check()
    assert says in finding.detail
    assert finding.status is (Status.LIMITED if says else Status.OK)
    assert not finding.required
