"""Which ports of a host's DHCP and L3 agents are not wired; that hosts are waited for is for tests/lab."""

from __future__ import annotations

from fakevm.lab import serving

ROUTER, SERVER = "36114f6c-2ba7-43a6-9e80-c429b0b38067", "12bf0b4f-5f1a-454a-b669-bfe5732fb325"
WANTED = [
    serving.Duty(ROUTER, "the router", "neutron-l3-agent"),
    serving.Duty(SERVER, "the server", "neutron-dhcp-agent"),
]


def test_a_port_is_wired_when_its_device_is_there_whatever_its_prefix() -> None:
    assert serving.unwired(WANTED, ["qr-36114f6c-2b", "tap12bf0b4f-5f", "int-br-physnet1"]) == []
    assert serving.unwired(WANTED, ["qg-36114f6c-2b"]) == WANTED[1:]
    assert serving.unwired(WANTED, []) == WANTED


def test_a_port_of_an_agent_is_in_a_namespace_with_a_switch_behind_it() -> None:
    well = "lo  UNKNOWN 00:00:00:00:00:00 <LOOPBACK,UP>\nqr-36114f6c-2b@if7  UP fa:16:3e:89:a6:b8 <UP,LOWER_UP>\n"
    lost = "tap12bf0b4f-5f  DOWN fa:16:3e:89:a6:b8 <NO-CARRIER,BROADCAST,UP>\n"
    assert [duty.what for duty in serving.without_network(WANTED, well)] == ["the server"]
    found = serving.without_network(WANTED, well + lost)
    assert [(duty.what, duty.program) for duty in found] == [
        ("the server, whose device has no switch any more", "ovs-vswitchd")
    ]
    assert serving.without_network(WANTED, well + lost.replace("NO-CARRIER,", "")) == []
