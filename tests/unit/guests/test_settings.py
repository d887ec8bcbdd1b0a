"""What is said of a guest beside its interfaces: its kind, and settings of its kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakevm.control.access import find_access
from fakevm.errors import FakevmError
from fakevm.guest import namespace
from fakevm.lab.apply.difference import difference
from fakevm.lab.export import written
from fakevm.lab.reading import load, parse
from fakevm.lab.settle.settling import settle
from fakevm.model.guest import GuestSettings
from fakevm.model.kind import DEFAULT_KIND
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile


def lab(guest: str) -> LabFile:
    return parse(f"hosts: {{host1: {{}}}}\nguests: {{r1: {{{guest}}}}}\n", "lab.yaml")


def test_a_guest_has_what_the_file_says_of_its_kernel() -> None:
    guest = lab("sysctl: {net.ipv4.ip_forward: 1, net.ipv6.conf.all.forwarding: '1'}").guests["r1"]
    settings = GuestSettings(sysctl={"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"})
    assert (guest.settings, guest.is_plain) == (settings, False)
    assert lab("").guests["r1"].is_plain
    assert lab("").guests["r1"].kind == DEFAULT_KIND


@pytest.mark.parametrize(
    ("guest", "said"),
    [
        ("sysctl: {kernel.hostname: x}", r"'kernel\.hostname' is no setting of a guest's own"),
        ("sysctl: {net.ipv4.ip_forward: '1; reboot'}", r"is no value for net\.ipv4\.ip_forward"),
        ("sysctl: {'net.ipv4.$(reboot)': 1}", "is no setting"),
        ("kind: container, limits: {memory: much}", "expected an amount of memory such as 256M or 1G"),
        ("kind: container, limits: {memory: 1k}", "memory is 1024 bytes, and must be 4M at least"),
        ("kind: container, limits: {cpus: -1}", "cpus is -1, and must be from 0.01 to 4096"),
        ("kind: container, limits: {disk: 1G}", "limits"),
        ("limits: {memory: 1G}", "a guest of the kind 'namespace' has no limits"),
        ("kind: vm, limits: {cpus: 0.5}", "a virtual machine has whole processors, and not 0.5"),
        ("kind: vm, limits: {memory: 32M}", "a virtual machine needs 64M at least"),
        ("kind: submarine", r"there is no kind of guest 'submarine'; there are: container, namespace"),
    ],
)
def test_what_cannot_be_is_told_with_its_line(guest: str, said: str) -> None:
    with pytest.raises(FakevmError, match=said):
        settle(lab(guest), kernel_datapath=False)


def test_limits_may_have_units() -> None:
    made = lab("kind: container, limits: {memory: 1.5 GiB, cpus: 0.5}")
    assert made.guests["r1"].settings.limits.named == {"memory": 3 << 29, "cpu": 0.5}
    assert parse(written(made), "lab.yaml") == made
    assert lab("limits: {memory: 256M}").guests["r1"].limits.memory == 256 << 20


def test_other_settings_make_a_guest_anew() -> None:
    plain, router = lab(""), lab("sysctl: {net.ipv4.ip_forward: 1}")
    found = difference(plain, router, {"r1": "host1"})
    assert [step[:3] for step in found.steps()] == [("restart", "guest", "r1")]
    (step,) = found.steps()
    assert "net.ipv4.ip_forward" in str(step)
    assert not list(difference(router, router, {"r1": "host1"}).steps())


KINDS = """\
hosts: {host1: {}}
guest_kind: container
networks: {net: {}}
guests: {r1: {ports: [net, net]}, r2: {kind: namespace, ports: [net]}}
"""


def test_the_lab_says_of_which_kind_guests_are_that_do_not() -> None:
    made = parse(KINDS, "lab.yaml")
    assert [guest.kind for guest in made.guests.values()] == ["container", "namespace"]
    devices = [port.device for name, guest in made.guests.items() for port in guest.ports_of(name)]
    assert devices == ["eth0", "eth1", ""]
    assert parse(written(made), "lab.yaml") == made


def test_the_environment_says_it_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(KINDS)
    monkeypatch.setenv("FAKEVM_GUEST_KIND", "namespace")
    assert [guest.kind for guest in load(file).lab.guests.values()] == ["namespace", "namespace"]
    monkeypatch.setenv("FAKEVM_GUEST_KIND", "submarine")
    read = load(file)
    with pytest.raises(FakevmError, match="FAKEVM_GUEST_KIND: there is no kind of guest 'submarine'"):
        settle(read.lab, kernel_datapath=False, place=read.place)


def test_ports_that_are_made_later_have_guests_of_that_kind_too() -> None:
    record = LabRecord("a", Path("/a"), "up", 1, "29.0.0", "ovn", "userspace", (), "http://a", guest_kind="container")
    told = {"lab": "a", "cloud": None, "config_files": [], "choose_lab": lambda _: record}
    assert find_access(**told, environment={}).guest_kind == "container"
    assert find_access(**told, environment={"FAKEVM_GUEST_KIND": "namespace"}).guest_kind == "namespace"
    old = record._replace(guest_kind="")
    assert find_access(**{**told, "choose_lab": lambda _: old}, environment={}).guest_kind == DEFAULT_KIND


def test_a_setting_that_the_kernel_refuses_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ip_forward").touch()
    open_file = os.open

    def opened(path: str, flags: int) -> int:
        assert path == "/proc/sys/net/ipv4/ip_forward"
        # As to write to a file of the kernel's that does not take it.
        return open_file(tmp_path / "ip_forward", flags & ~os.O_WRONLY)

    monkeypatch.setattr(os, "open", opened)
    with pytest.raises(OSError, match=r"\(nonsense\): '/proc/sys/net/ipv4/ip_forward'"):
        namespace._set({"net.ipv4.ip_forward": "nonsense"})
