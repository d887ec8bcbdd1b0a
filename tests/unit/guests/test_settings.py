"""What is said of a guest beside its interfaces: its kind, and settings of its kernel."""

from __future__ import annotations

import pytest

from fakevm.errors import FakevmError
from fakevm.lab.apply.difference import difference
from fakevm.lab.reading import parse
from fakevm.lab.settle.settling import settle
from fakevm.model.guest import DEFAULT_KIND, GuestSettings
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
        ("kind: submarine", r"there is no kind of guest 'submarine'; there are: container, namespace"),
    ],
)
def test_what_cannot_be_is_told_with_its_line(guest: str, said: str) -> None:
    with pytest.raises(FakevmError, match=said):
        settle(lab(guest), kernel_datapath=False)


def test_other_settings_make_a_guest_anew() -> None:
    plain, router = lab(""), lab("sysctl: {net.ipv4.ip_forward: 1}")
    found = difference(plain, router, {"r1": "host1"})
    assert [step[:3] for step in found.steps()] == [("restart", "guest", "r1")]
    (step,) = found.steps()
    assert "net.ipv4.ip_forward" in str(step)
    assert not list(difference(router, router, {"r1": "host1"}).steps())
