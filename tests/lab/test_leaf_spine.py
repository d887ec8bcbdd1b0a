"""A leaf-spine of routers under a storm: daemons, the agent and guests are killed, and all is whole again."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from fakevm.testing.labs import Lab, Labs
from fakevm.waiting import until

EXAMPLE = Path(__file__).parents[2] / "examples/leaf-spine/lab.yaml"
ROUTERS = 20
DAEMONS = ("zebra", "ospfd")
BLOWS = 40
# The fewest routes that a router has to the loopbacks of others, then how many of each daemon run.
LOOK = """\
for one in /run/netns/fakevm-*; do
    ip -n "${one##*/}" route show | grep -c '^10[.]255[.].*proto' || true
done | sort -n | head -1
for daemon in zebra ospfd; do pgrep -c -x $daemon || true; done
"""
PICK = "pgrep -x %s | shuf -n 1 --random-source=/dev/urandom | xargs -r kill -KILL"


@pytest.mark.slow
def test_all_is_whole_again_after_a_storm(labs: Labs, untouched: Callable[[], None]) -> None:
    lab = labs.up("storm", str(EXAMPLE))
    until(lambda: missing(lab), "the routers did not find one another", 300.0, pause=1.0)
    chance = random.Random(16)
    for _ in range(BLOWS):
        strike(lab, chance)
    until(lambda: missing(lab), "it is not whole again after the storm", 300.0, pause=1.0)
    met = lab.fakevm("check", "-f", "json", timeout=600)
    assert met.returncode == 0, met.stdout
    assert lab.fakevm("lab", "down").returncode == 0
    untouched()


def strike(lab: Lab, chance: random.Random) -> None:
    """Kill something; what is killed twice, or is away just now, is no error."""
    blow = chance.choices(("zebra", "ospfd", "agent", "guest"), (6, 6, 2, 2))[0]
    if blow == "agent":
        lab.fakevm("lab", "kill", "host1/neutron-fakevm-agent")
    elif blow == "guest":
        guest = chance.choice(("spine1", "spine3", "leaf2", "leaf9"))
        # The agent may have been killed just before.
        until(lambda: lab.fakevm("guest", "reboot", guest, timeout=120).stderr, f"{guest} does not start", 120.0)
    else:
        assert lab.fakevm("lab", "exec", "host1", "--", "sh", "-c", PICK % blow).returncode == 0


def missing(lab: Lab) -> str:
    done = lab.fakevm("lab", "exec", "host1", "--", "sh", "-c", LOOK)
    numbers = [int(word) for word in done.stdout.split()]
    wanted = [ROUTERS - 1, *(ROUTERS for _ in DAEMONS)]
    return "" if numbers == wanted else f"{numbers} instead of {wanted} {done.stderr}"
