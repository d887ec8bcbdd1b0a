"""What the kernel is told where it has netem: this one need not have it, so its commands are looked at."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from fakevm.link import ways
from fakevm.link.delay import Lines, Spot
from fakevm.link.detour import Detour
from fakevm.link.devices import AWAKE, of_place
from fakevm.link.impairment import Impairments
from fakevm.link.patch import Patch
from fakevm.link.ways import OnDevice, OnLink
from fakevm.linux import link, process
from fakevm.model.guest import Guest
from fakevm.model.impairment import Conditions, Impairment, Shape, TokenBucket
from fakevm.model.interface import Interface, LinkEnd

END = LinkEnd(link="core", end="a")
NEAR, FAR = of_place(END, "host1"), of_place(END.far, "host2")
DETOUR = Detour(NEAR)
SLOW = Conditions(impair=Impairment(delay=0.025, loss=1))
SLOWER = Conditions(impair=Impairment(delay=0.05, loss=1))
SHAPED = Conditions(impair=SLOW.impair, shape=Shape(tbf=TokenBucket(rate=1000)))
SHAPED_ALONE = Conditions(shape=SHAPED.shape)


class Kernel:
    """Knows which devices there are, and remembers what it is told."""

    def __init__(self) -> None:
        self.devices = {NEAR: AWAKE, FAR: AWAKE}
        self.queues: dict[str, list[str]] = {}
        self.told: list[str] = []

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: float = 30.0) -> str:
        words = [word for word in argv if word not in ("-batch", "-", "-force")]
        if words[-2:] == ["link", "show"]:
            return json.dumps([{"ifname": name, "ifalias": mark} for name, mark in self.devices.items()])
        if "qdisc" in words:
            return json.dumps([{"kind": kind} for kind in self.queues.get(words[-1], [])])
        for step in stdin.splitlines():
            self._do(step)
        return ""

    def _do(self, step: str) -> None:
        self.told.append(step)
        for name in re.findall(r"^link add .*", step) and re.findall(r"name (\S+)", step):
            self.devices[name] = ""
        if marked := re.fullmatch(r"link set dev (\S+) alias (\S+)", step):
            self.devices[marked[1]] = marked[2]
        if gone := re.fullmatch(r"link del dev (\S+)", step):
            for name in (gone[1], Detour(NEAR).exit):
                self.devices.pop(name, None)
        if made := re.match(r"qdisc replace dev (\S+) (root|parent \S+) handle \S+ (\w+)", step):
            self.queues.setdefault(made[1], []).append(made[3])
        if freed := re.fullmatch(r"qdisc del dev (\S+) root", step):
            self.queues.pop(freed[1], None)

    def heard(self, kind: str) -> list[str]:
        """Give what it was told of a kind since this was asked last."""
        told, self.told = self.told, []
        return [step for step in told if kind in step]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Have a kernel with netem; no delay line can be had."""
    made = Kernel()
    monkeypatch.setattr(ways, "has_netem", lambda: True)
    monkeypatch.setattr(process, "run", made.run)
    monkeypatch.setattr(link, "frame_by_frame", lambda device, **_: made.told.append(f"frame by frame {device}"))
    monkeypatch.setattr(link, "is_inside", lambda device, **_: device in made.devices)
    return made


def on_link(folder: Path) -> OnLink:
    return OnLink(Patch(["in", "the", "panel"], folder), Lines(), END, NEAR, 1500)


def test_on_a_link_it_delays_and_loses_what_leaves_the_inlet(kernel: Kernel, tmp_path: Path) -> None:
    on_link(tmp_path).hold(SLOW, SLOW)
    assert f"qdisc replace dev {DETOUR.inlet} root handle f: netem limit 100000 delay 25000us loss 1%" in kernel.told
    # Chance is to have its part in each frame.
    assert f"frame by frame {DETOUR.inlet}" in kernel.told
    led = {step.split()[3]: step.split()[-1] for step in kernel.told if "redirect" in step}
    assert led == {NEAR: DETOUR.inlet, DETOUR.exit: FAR}
    assert DETOUR.tap not in kernel.devices
    assert list(on_link(tmp_path).means(SLOW)) == ["netem"]
    assert on_link(tmp_path).problem(SLOW) == ""


def test_a_change_is_made_in_place_and_a_shape_goes_below(kernel: Kernel, tmp_path: Path) -> None:
    way = on_link(tmp_path)
    way.hold(SLOW, SLOW)
    kernel.heard("")
    way.hold(SLOWER, SLOW)
    of_inlet = [step for step in kernel.heard("qdisc") if DETOUR.inlet in step]
    assert of_inlet == [f"qdisc replace dev {DETOUR.inlet} root handle f: netem limit 100000 delay 50000us loss 1%"]
    way.hold(SHAPED, SLOWER)
    said = kernel.heard(f"dev {DETOUR.inlet}")
    netem = next(n for n, step in enumerate(said) if "netem" in step)
    assert re.search(r"parent f:1 handle 1: tbf rate 1000000bit", said[netem + 1])
    assert list(way.means(SHAPED)) == ["netem", "tbf"]


def test_frames_are_led_past_it_before_it_is_taken_away(kernel: Kernel, tmp_path: Path) -> None:
    way = on_link(tmp_path)
    way.hold(SLOW, SLOW)
    kernel.heard("")
    way.hold(Conditions(), SLOW)
    straight = next(n for n, step in enumerate(kernel.told) if step.endswith(f"redirect dev {FAR}") and NEAR in step)
    gone = kernel.told.index(f"link del dev {DETOUR.inlet}")
    assert straight < kernel.told.index(f"qdisc del dev {DETOUR.inlet} root") < gone


def test_of_a_port_it_is_the_root_queue_of_the_device_and_nothing_else(kernel: Kernel) -> None:
    for in_guest, namespace in ((True, "guest"), (False, "")):
        way = OnDevice(Lines(), Spot(namespace, "line0", "eth0"), 1450, in_guest=in_guest)
        way.hold(SLOW, SLOW)
        (queue,) = [step for step in kernel.told if step.startswith("qdisc")]
        assert queue == "qdisc replace dev eth0 root handle f: netem limit 100000 delay 25000us loss 1%"
        assert not [step for step in kernel.heard("filter") if step.startswith("filter replace")]
        assert list(way.means(SLOW)) == ["netem"]
        way.hold(SHAPED_ALONE, SLOW)
        # Another form: what waits leaves first.
        steps = kernel.heard("qdisc")
        assert steps[0] == "qdisc del dev eth0 root"
        assert steps[1].startswith("qdisc replace dev eth0 root handle 1: tbf rate 1000000bit")
        kernel.queues.clear()


def test_it_is_what_is_told_of_an_interface(kernel: Kernel, tmp_path: Path) -> None:
    interface = Interface(name="eth1", mac_address="fa:16:3e:00:00:01", mtu=1500, attachment=END, sent=SLOW)
    guest = Guest(id="r1", namespace="guest")
    impairments = Impairments("host1", Patch([], tmp_path))
    assert impairments.means(guest, interface) == ("netem", "")
    assert impairments.problem(guest, interface) == ""
