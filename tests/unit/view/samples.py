"""Migrations as they may go, made up: for looking at pages, and for testing them.

``python tests/unit/view/samples.py FOLDER`` writes a page of each.
"""

from __future__ import annotations

import random
import sys
import uuid
from pathlib import Path

from fakevm.model.event import Event
from fakevm.model.migration import InterfaceReport, MigrationReport, PortSample, Probe, Step
from fakevm.probe import outcome
from fakevm.view import report

BEGAN = 1_790_000_000.125
LIVE = {
    "check": 0.112, "observe": 0.204, "bind-destination": 0.187, "plug-destination": 0.231, "migrating-to": 0.143,
    "wait-plugged": 1.871, "copy-state": 0.021, "pause-source": 0.0092, "resume-destination": 0.0141, "activate": 0.164,
    "unplug-source": 0.208, "clear-profile": 0.121, "unbind-source": 0.0974, "wait-active": 1.402,
}  # fmt: skip
COLD = {"check": 0.1, "observe": 0.2, "unplug": 0.35, "bind": 0.28, "plug": 0.41, "active": 2.1, "address": 0.9}


def live(number: int = 1, *, fail_at: str = "", began: float = BEGAN, probes: bool = True) -> MigrationReport:
    """Make a live migration, or one that failed at a step and was taken back."""
    dice = random.Random(number)
    steps = _steps(LIVE, fail_at, dice)
    ends = {step.name: step.start + step.seconds for step in steps}
    failed = bool(fail_at)
    seconds = max(ends.values()) + (0.6 if failed else 0)
    paused = next((step.start for step in steps if step.name == "pause-source"), None)
    silent = (paused, (ends.get("resume-destination") or ends["pause-source"] + 0.5) + 0.012) if paused else (9e9, 9e9)
    return _report(
        number, "live", steps, seconds, began=began, samples=_live_samples(ends, seconds, failed),
        events=_events(ends, began), probes=_probes(seconds + 0.5, silent, dice) if probes else (), fail_at=fail_at,
    )  # fmt: skip


def cold(number: int = 1) -> MigrationReport:
    """Make a cold migration."""
    dice = random.Random(number)
    steps = _steps(COLD, "", dice)
    ends = {step.name: step.start + step.seconds for step in steps}
    seconds = max(ends.values())
    silent = (ends["observe"] + 0.02, ends["address"])
    moments = {"": "ACTIVE", "unplug": "DOWN", "active": "ACTIVE"}
    samples = [
        PortSample(at=ends.get(step, 0.0) + 0.02, status=status, host=host, bindings={host: "ACTIVE"})
        for step, status in moments.items()
        for host in ["compute1" if step in ("", "unplug") else "compute2"]
    ]
    moved = PortSample(at=ends["bind"], status="DOWN", host="compute2", bindings={"compute2": "ACTIVE"})
    probes = _probes(seconds + 0.5, silent, dice)
    return _report(number, "cold", steps, seconds, samples=(*samples, moved), probes=probes)


def several() -> MigrationReport:
    """Make a live migration of a guest with two ports and a link, whose second port was silent for longest."""
    made = live(5)
    dice = random.Random(7)
    paused = next(step for step in made.steps if step.name == "pause-source")
    silent = (paused.start, paused.start + 0.3)
    first = made.interfaces[0]
    second = first.model_copy(
        update={"name": "eth1", "attached": _id(50), "network": "storage", "mac_address": "fa:16:3e:4b:01:05"}
        | {"addresses": ("10.5.0.15",), **_watched(_probes(made.seconds + 0.5, silent, dice))}
    )
    link = InterfaceReport(
        name="eth2", kind="link", attached="core", mac_address="02:00:00:00:00:05", addresses=("10.9.0.1/24",),
        **_watched(_probes(made.seconds + 0.5, (paused.start, paused.start + 0.05), dice)),
    )  # fmt: skip
    tags = [first.attached, second.attached]
    events = tuple(event.model_copy(update={"tag": tag}) for event in made.events for tag in tags)
    return made.model_copy(update={"interfaces": (first, second, link), "events": events})


def with_(made: MigrationReport, **changes: object) -> MigrationReport:
    """Change the first interface of a report."""
    first = made.interfaces[0].model_copy(update=changes)
    return made.model_copy(update={"interfaces": (first, *made.interfaces[1:])})


def evacuation(guests: int = 10) -> list[MigrationReport]:
    """Make the emptying of a host: four guests at a time, one of which stays."""
    return [
        live(
            number,
            fail_at="wait-plugged" if number == 7 else "",
            began=BEGAN + (number - 1) // 4 * 4.8 + number % 4 * 0.11,
        )
        for number in range(1, guests + 1)
    ]


def hostile() -> MigrationReport:
    """Make one whose every word would break a page that does not escape."""
    evil = "<script>alert('&\"')</script>\x00"
    made = live(1, fail_at="activate")
    event = Event(number=9, at=BEGAN + 1, name=evil, server_uuid=evil, tag=evil, status=evil)
    sample = PortSample(at=0.0, status=evil, host=evil, bindings={evil: evil}, migrating_to=evil)
    changed = dict.fromkeys(("guest_id", "instance_id", "source", "destination", "error"), evil)
    seen = made.interfaces[0].outage
    outage = seen.model_copy(update={"observer": evil}) if seen else None
    steps = tuple(step.model_copy(update={"name": evil, "error": evil}) for step in made.steps)
    made = made.model_copy(update={**changed, "events": (event,), "steps": steps})
    names = dict.fromkeys(("name", "attached", "network", "mac_address"), evil)
    return with_(made, **names, addresses=(evil,), samples=(sample,), outage=outage)


def _steps(lengths: dict[str, float], fail_at: str, dice: random.Random) -> tuple[Step, ...]:
    steps, now = [], 0.0
    for name, length in lengths.items():
        taken = length * dice.uniform(0.85, 1.2)
        error = f"step {name} was made to fail" if name == fail_at else ""
        steps.append(Step(name=name, start=now, seconds=taken, error=error))
        now += taken + 0.0004
        if error:
            break
    return tuple(steps)


def _live_samples(ends: dict[str, float], seconds: float, failed: bool) -> tuple[PortSample, ...]:
    samples = [PortSample(at=0.12, status="ACTIVE", host="compute1", bindings={"compute1": "ACTIVE"})]
    changes = {
        "bind-destination": {"bindings": {"compute1": "ACTIVE", "compute2": "INACTIVE"}},
        "migrating-to": {"migrating_to": "compute2"},
        "activate": {"status": "DOWN", "host": "compute2", "bindings": {"compute1": "INACTIVE", "compute2": "ACTIVE"}},
        "clear-profile": {"migrating_to": ""},
        "unbind-source": {"bindings": {"compute2": "ACTIVE"}},
        "wait-active": {"status": "ACTIVE"},
    }
    for step, change in changes.items():
        if step in ends:
            samples.append(samples[-1].model_copy(update={"at": ends[step] - 0.01, **change}))
    if failed:
        samples.append(samples[0].model_copy(update={"at": seconds - 0.2}))
    return tuple(samples)


def _events(ends: dict[str, float], began: float) -> tuple[Event, ...]:
    moments = [("network-vif-plugged", "wait-plugged", -0.03), ("network-changed", "activate", 0.08)]
    moments += [("network-vif-unplugged", "activate", 0.15), ("network-vif-plugged", "wait-active", -0.05)]
    known = [(name, ends[step] + later) for name, step, later in moments if step in ends]
    return tuple(
        Event(number=number, at=began + at, name=name, server_uuid=_id(1), tag=_id(2))
        for number, (name, at) in enumerate(known, 1)
    )


def _probes(until: float, silent: tuple[float, float], dice: random.Random) -> tuple[Probe, ...]:
    probes = []
    for number in range(int((until - 0.33) / 0.01)):
        sent = 0.33 + number * 0.01
        rtt = dice.lognormvariate(-7.4, 0.45)
        lost = silent[0] <= sent <= silent[1]
        answers = () if lost else (sent + rtt,)
        if not lost and 0 < sent - silent[1] < 0.03:
            answers = (sent + 0.027 - (sent - silent[1]) * 1.3, sent + 0.031)
        probes.append(Probe(number=number, sent=sent, answers=answers))
    return tuple(probes)


def _report(
    number: int, kind: str, steps: tuple[Step, ...], seconds: float, *,
    began: float = BEGAN, samples=(), events=(), probes=(), fail_at: str = "",
) -> MigrationReport:  # fmt: skip
    first = InterfaceReport(
        name="eth0", kind="port", attached=_id(number), network="private", mac_address=f"fa:16:3e:4b:00:{number:02x}",
        addresses=(f"10.0.0.{10 + number}", f"2001:db8::{10 + number:x}"), samples=samples, **_watched(probes),
    )  # fmt: skip
    return MigrationReport(
        guest_id=f"web-{number}", instance_id=f"web-{number}", source="compute1", destination="compute2",
        kind=kind, result="rolled back" if fail_at else "moved", began=began, seconds=seconds, steps=steps,
        error=f"step {fail_at} was made to fail" if fail_at else "", events=events, interfaces=(first,),
    )  # fmt: skip


def _watched(probes):
    seen = outcome.outage(probes, observer="observer-1", interval=0.01) if probes else None
    return {"probes": probes, "outage": seen}


def _id(number: int) -> str:
    return str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4))


if __name__ == "__main__":
    made = {"live": live(), "cold": cold(), "evacuation": evacuation(), "hostile": hostile()}
    made |= {"failed": live(2, fail_at="activate"), "early": live(3, fail_at="bind-destination")}
    made |= {"unwatched": live(4, probes=False), "several": several()}
    for name, reports in made.items():
        report.write(reports, Path(sys.argv[1]) / f"{name}.html")
