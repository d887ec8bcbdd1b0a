"""The program that lets every guest ping every other, in namespaces on one bridge."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fakevm.linux import process
from fakevm.probe.programs import mesh

NUMBER = 5


@pytest.fixture
def guests() -> Iterator[list[dict[str, Any]]]:
    """Make namespaces g0 to g4, which all reach one another."""
    process.run(["ip", "link", "add", "bridge0", "type", "bridge"])
    process.run(["ip", "link", "set", "bridge0", "up"])
    found = []
    for n in range(NUMBER):
        process.run(["ip", "netns", "add", f"g{n}"])
        process.run(["ip", "link", "add", f"p{n}", "type", "veth", "peer", "name", "eth0", "netns", f"g{n}"])
        process.run(["ip", "link", "set", f"p{n}", "master", "bridge0", "up"])
        process.run(["ip", "-n", f"g{n}", "addr", "add", f"10.9.0.{n + 1}/24", "dev", "eth0"])
        process.run(["ip", "-n", f"g{n}", "link", "set", "eth0", "up"])
        found.append({"name": f"g{n}", "namespace": f"/run/netns/g{n}", "address": f"10.9.0.{n + 1}"})
    yield found
    for n in range(NUMBER):
        process.run(["ip", "netns", "del", f"g{n}"])
    process.run(["ip", "link", "del", "bridge0"])


def ping_all(guests: list[dict[str, Any]], timeout: float) -> dict[str, Any]:
    asked = json.dumps({"guests": guests, "timeout": timeout})
    done = subprocess.run(
        [sys.executable, mesh.__file__], input=asked, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_every_pair_is_tried_both_ways_and_forgotten(guests: list[dict[str, Any]]) -> None:
    said = ping_all(guests, 60)
    assert (said["pairs"], said["answered"], said["missing"], said["problems"]) == (20, 20, [], {})
    assert process.run(["ip", "-n", "g0", "-4", "neigh", "show"]) == ""


def test_who_cannot_be_reached_is_named(guests: list[dict[str, Any]]) -> None:
    process.run(["ip", "link", "set", "p3", "down"])
    said = ping_all(guests, 5)
    wanted = {f"g3 to g{n}" for n in range(NUMBER) if n != 3} | {f"g{n} to g3" for n in range(NUMBER) if n != 3}
    assert set(said["missing"]) == wanted
    assert said["answered"] == 12
