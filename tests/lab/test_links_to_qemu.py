"""Links to QEMU, whichever side starts first, or anew: examples/links-to-qemu in the order of its life."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fakevm.link.carriers import CARRIERS
from fakevm.testing.labs import Lab, Labs

from .conftest import awaited, until
from .test_examples import EXAMPLES, far_end

pytestmark = pytest.mark.slow

FOLDER = EXAMPLES / "links-to-qemu"
WAYS = {"udp": "10.7.1.2", "tcp": "10.7.2.2", "multicast": "10.7.3.2"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with far_end(FOLDER / "beside.sh"):
        # Where there is none this is skipped.
        pass
    labs = Labs.made()
    try:
        yield labs.up("far", str(FOLDER / "lab.yaml"))
    finally:
        labs.remove()


def states(lab: Lab) -> dict[str, str]:
    return {row["name"]: row["state"] for row in lab.told("link", "list")}


def answers(lab: Lab) -> None:
    for way, address in WAYS.items():
        # Not one ping with a deadline: it gives up when nobody answers for the address, as before QEMU is there.
        ping = ("exec", "left", "--", "ping", "-c1", "-W1", address)
        assert awaited(lambda ping=ping: lab.fakevm(*ping).returncode, 0, 60) == 0, way
    assert {way: states(lab)[way] for way in WAYS} == dict.fromkeys(WAYS, "up")


def test_either_side_may_start_first_or_anew(lab: Lab) -> None:
    assert set(WAYS) <= set(CARRIERS)
    assert set(states(lab).values()) == {"waiting"}
    for _ in range(2):
        with ExitStack() as qemu:
            qemu.enter_context(far_end(FOLDER / "beside.sh"))
            answers(lab)
            for way in WAYS:
                assert lab.fakevm("lab", "kill", f"link-{way}").returncode == 0
            answers(lab)
            assert lab.fakevm("guest", "reboot", "left").returncode == 0
            answers(lab)
        until(lambda: states(lab)["tcp"] == "lost")
