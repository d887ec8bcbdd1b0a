"""The panel as one reaches it: its devices, what is remembered of its links, and joining them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from fakevm.errors import CommandFailed
from fakevm.linux import lock, process
from fakevm.model.interface import LinkEnd

from . import joining
from .devices import AWAKE, carriers_of, joints, of_bridge, of_carrier
from .joining import Joint

_CUT = ".cut"
# Seconds that another may work on a link: it runs a few programs, each of which has its time.
_PATIENCE = 60.0
# Frames that may wait for a relay: those of a tenth of a second at 300 Mbit/s.
_WAITING = 2500


class Patch:
    """The panel, for one who can change it.

    :param enter: the words before a command that is to run in the panel's network namespace
    :param folder: where it is remembered which links are cut, and who works on one
    """

    def __init__(self, enter: Sequence[str], folder: Path) -> None:
        self._enter = enter
        self._folder = folder

    @contextmanager
    def alone(self, link: str) -> Iterator[None]:
        """Keep others from a link: on another host its far end may come, or it may be cut.

        Raises CommandFailed, TimedOut.
        """
        with ExitStack() as held:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                file = self._folder / f"{link}.lock"
                file.touch()
                held.enter_context(lock.held(file, _PATIENCE))
            except OSError as exc:
                raise CommandFailed(f"cannot write into {self._folder}: {exc.strerror}") from exc
            yield

    def devices(self) -> dict[str, str]:
        """Give the panel's devices with their aliases. Raises CommandFailed."""
        said: list[dict[str, Any]] = json.loads(self._run("ip", "-json", "link", "show"))
        return {str(shown["ifname"]): str(shown.get("ifalias", "")) for shown in said if shown}

    def is_cut(self, link: str) -> bool:
        """Tell whether nothing passes a link until it is joined again."""
        return (self._folder / f"{link}{_CUT}").exists()

    def cut(self, link: str) -> bool:
        """Let nothing pass a link, whoever comes to its ends; False when it is cut. Raises CommandFailed."""
        with self.alone(link):
            if self.is_cut(link):
                return False
            try:
                (self._folder / f"{link}{_CUT}").touch()
            except OSError as exc:
                raise CommandFailed(f"cannot write into {self._folder}: {exc.strerror}") from exc
            self.join(link, joints(link, self.devices()))
            return True

    def uncut(self, link: str) -> bool:
        """Let all pass a link again; False when it is not cut. Raises CommandFailed."""
        with self.alone(link):
            if not self.is_cut(link):
                return False
            (self._folder / f"{link}{_CUT}").unlink()
            self.join(link, joints(link, self.devices()))
            return True

    def carry(self, ends: Sequence[LinkEnd], mtu: int) -> None:
        """Put a carrier's device in front of each of these ends of a link, in the place of the far end.

        Those that are there stay. Raises CommandFailed.
        """
        link = ends[0].link
        with self.alone(link):
            there = self.devices()
            new = [device for end in ends if (device := of_carrier(end)) not in there]
            self.ip([step for device in new for step in _made(device, mtu)])
            self.join(link, joints(link, {**there, **dict.fromkeys(new, AWAKE)}))
            self.ip([f"link set dev {of_carrier(end)} mtu {mtu} up" for end in ends])

    def uncarry(self, link: str) -> None:
        """Take a carrier's devices away; the ends that are there are joined directly. Raises CommandFailed."""
        with self.alone(link):
            there = self.devices()
            gone = [device for device in carriers_of(link) if device in there]
            self.join(link, joints(link, {name: mark for name, mark in there.items() if name not in gone}))
            self.ip([f"link del dev {device}" for device in gone])

    def bridge(self, name: str, *, stp: bool, forward_delay: float) -> None:
        """Make a bridge, or change the one that is there; what its guests' devices are joined to it stays.

        Raises CommandFailed.
        """
        device, there = of_bridge(name), self.devices()
        kind = f"type bridge stp_state {int(stp)} forward_delay {round(100 * forward_delay)} mcast_snooping 0"
        self.ip([f"link add name {device} {kind}" if device not in there else f"link set dev {device} {kind}"])
        # What is for the bridge itself gets no further: the lab's own addresses must not answer a guest.
        self.tc(joining.steps(Joint(device)))
        ports = self._ports(device)
        self.ip([*up(device), *(f"link set dev {port} type bridge_slave {_forwarding(stp)}" for port in ports)])

    def unbridge(self, name: str) -> None:
        """Remove a bridge, if it is there. Raises CommandFailed."""
        if of_bridge(name) in self.devices():
            self.ip([f"link del dev {of_bridge(name)}"])

    def plug_in(self, device: str, name: str) -> None:
        """Join a device to a bridge. Raises CommandFailed: there is no such bridge."""
        bridge = of_bridge(name)
        said = self._shown("dev", bridge)
        stp = bool(said[0]["linkinfo"]["info_data"]["stp_state"])
        self.ip(
            [f"link set dev {device} master {bridge}", f"link set dev {device} type bridge_slave {_forwarding(stp)}"]
        )
        # One that was asleep has a rule that drops all.
        self.tc([f"qdisc replace dev {device} clsact", f"qdisc del dev {device} clsact"])

    def _ports(self, bridge: str) -> list[str]:
        return [str(shown["ifname"]) for shown in self._shown("master", bridge)]

    def _shown(self, *which: str) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = json.loads(self._run("ip", "-json", "-details", "link", "show", *which) or "[]")
        return [shown for shown in said if shown]

    def _run(self, *words: str) -> str:
        return process.run([*self._enter, *words])

    def forget(self, link: str) -> None:
        """Forget what is remembered of a link that is no more."""
        (self._folder / f"{link}{_CUT}").unlink(missing_ok=True)

    def join(self, link: str, wanted: Iterable[Joint]) -> None:
        """Make joints of a link, in the place of those before; of one that is cut they lead nowhere.

        To be called ``alone``. Raises CommandFailed.
        """
        self.join_all([(link, joint) for joint in wanted])

    def join_all(self, wanted: Iterable[tuple[str, Joint]]) -> None:
        """Make joints, each of the link that is named with it, as ``join`` does. Raises CommandFailed."""
        made = (joint._replace(target="") if self.is_cut(link) else joint for link, joint in wanted)
        self.tc([step for joint in made for step in joining.steps(joint)])

    def tc(self, steps: Collection[str]) -> None:
        """Run ``tc`` commands in the panel. Raises CommandFailed."""
        self._batch("tc", steps)

    def ip(self, steps: Collection[str]) -> None:
        """Run ``ip`` commands in the panel. Raises CommandFailed."""
        self._batch("ip", steps)

    def _batch(self, program: str, steps: Collection[str]) -> None:
        if steps:
            process.run([*self._enter, program, "-batch", "-"], stdin="".join(f"{step}\n" for step in steps))


def _made(device: str, mtu: int) -> Iterator[str]:
    """Write the ``ip`` commands that make a carrier's device: it stays when nobody has it open."""
    yield f"tuntap add dev {device} mode tap"
    # No IPv6 of its own, which would speak to the far end.
    yield f"link set dev {device} mtu {mtu} txqueuelen {_WAITING} addrgenmode none"
    yield f"link set dev {device} alias {AWAKE}"


# What a port of a bridge passes on of 01:80:c2:00:00:00 to 0f (group_fwd_mask): the kernel keeps pause frames (01), and
# of a bridge that takes part in spanning tree its frames (00) are for the bridge.
def _forwarding(stp: bool) -> str:
    return f"group_fwd_mask {0xFFFC if stp else 0xFFFD}"


def up(device: str) -> tuple[str, str]:
    """Write the ``ip`` commands that bring a device up without IPv6 of its own, which would speak to guests."""
    return f"link set dev {device} addrgenmode none", f"link set dev {device} up"
