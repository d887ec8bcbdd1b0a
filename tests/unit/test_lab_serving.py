"""Which ports of a host's DHCP and L3 agents are not wired; that hosts are waited for is for tests/lab."""

from __future__ import annotations

from fakevm.lab import serving

ROUTER, SERVER = "36114f6c-2ba7-43a6-9e80-c429b0b38067", "12bf0b4f-5f1a-454a-b669-bfe5732fb325"
WANTED = {ROUTER: "the router", SERVER: "the server"}


def test_a_port_is_wired_when_its_device_is_there_whatever_its_prefix() -> None:
    assert serving.unwired(WANTED, ["qr-36114f6c-2b", "tap12bf0b4f-5f", "int-br-physnet1"]) == []
    assert serving.unwired(WANTED, ["qg-36114f6c-2b"]) == ["the server"]
    assert serving.unwired(WANTED, []) == ["the router", "the server"]
