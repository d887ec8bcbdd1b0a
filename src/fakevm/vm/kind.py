"""The kind of guest that is a virtual machine of QEMU, with one card for each interface.

It does by itself what a machine does: it boots, asks DHCP, answers. What FakeVM wants to know of it, or run in it, goes
by a shell at its second serial port (``channel``); what is done to it, by QEMU's monitor (``qmp``).
"""

from __future__ import annotations

import contextlib
import ipaddress
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from fakevm import errors, names
from fakevm.guest import console
from fakevm.guest.address import way
from fakevm.guest.base import Kept, Kind, Wired
from fakevm.guest.namespace import as_plug_failed
from fakevm.linux import link, process
from fakevm.linux import namespace as netns
from fakevm.model.checkpoint import ProcessesSeen
from fakevm.waiting import remains

from . import access, jail, known, tap, tiny, transfer
from .asleep import Asleep
from .assembly import Assembly
from .channel import NoAnswerError
from .entering import way_in
from .inside import Inside
from .machine import CARDS, Card
from .place import access_file, command_in_vm, directory, sockets
from .qemu import Qemu
from .qmp import Monitor
from .transfer import Offer

if TYPE_CHECKING:
    from fakevm.model.guest import Guest, GuestState
    from fakevm.model.interface import Interface
    from fakevm.model.port import Addressing

# Seconds that the kernel may take to remove what nobody uses any more; that a machine may take to let a card go.
_REMOVAL = 5.0
_LETTING_GO = 10.0
# Seconds between two looks whether a machine has its addresses; how long it may take to say so, if it has booted.
_LOOK, _ANSWERING = 0.25, 3.0
# Seconds between two looks whether one has shut down.
_ENDING = 0.1
# The first free slot of the machine's PCI bus, and how many there are (QEMU's pc: host bridge, ISA bridge, no display).
_FIRST_SLOT, _SLOTS = 3, 29
# QEMU tells the network where its machine is, as after its own migrations (milliseconds; QEMU's migration.json).
_ANNOUNCED = {"initial": 50, "max": 550, "rounds": 5, "step": 100}


class VmKind(Kind):
    """Guests of this host that are virtual machines."""

    def __init__(self, host: str, folder: Path) -> None:
        super().__init__(host, folder)
        self._assembly = Assembly(host, folder / "vm")
        self._asleep: dict[str, Asleep] = {}
        self._offers: dict[str, Offer] = {}

    def make(self, guest: Guest, wired: Sequence[Wired], *, asleep: bool = False) -> None:
        """See Kind. It returns when QEMU runs: the machine has yet to boot."""
        self.remove(guest, [each.interface for each in wired])
        with as_plug_failed(f"cannot make the guest {guest.title}"), ExitStack() as opened:
            directory(guest.namespace).mkdir(mode=0o700, parents=True, exist_ok=True)
            link.batch([f"netns add {guest.namespace}"])
            cards = [_card(guest, each.interface, opened.enter_context(tap.made(each))) for each in wired]
            self._place(guest).mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._place(guest) / console.NAME).unlink(missing_ok=True)
            interfaces = [each.interface for each in wired]
            if asleep:
                self._asleep[guest.id] = Asleep(interfaces, cards)
            self._start(guest, cards, interfaces, asleep=asleep)

    def _start(
        self, guest: Guest, cards: Sequence[Card], interfaces: Sequence[Interface], *, asleep: bool = False
    ) -> None:
        with ExitStack() as opened:
            wanted = self._assembly.machine(guest, self._place(guest), cards, interfaces, opened)
            if not asleep:
                self._assembly.disk(guest, self._place(guest)).own()
            known.note(directory(guest.namespace), interfaces)
            self._qemu(guest).start(wanted._replace(asleep=asleep))

    def attach(self, guest: Guest, wired: Wired, *, asleep: bool = False) -> None:
        """See Kind. The card is plugged in while the machine runs."""
        interface = wired.interface
        if not self.device_problem(guest, interface):
            self.detach(guest, interface)
        doing = f"cannot give the guest {guest.title} the interface of {interface.words}"
        with as_plug_failed(doing), tap.made(wired) as opened, self._monitor(guest) as monitor:
            card = _card(guest, interface, opened)
            known.note(directory(guest.namespace), [interface])
            monitor.ask("getfd", {"fdname": f"{card.name}-tap"}, [opened])
            monitor.ask("netdev_add", {"type": "tap", "id": f"{card.name}-net", "fd": f"{card.name}-tap"})
            try:
                monitor.ask("device_add", card.device)
            except errors.FakevmError:
                with contextlib.suppress(errors.FakevmError):
                    monitor.ask("netdev_del", {"id": f"{card.name}-net"})
                raise
            if asleep and guest.id in self._asleep:
                self._asleep[guest.id].add(interface, card)
            elif not asleep and access.is_tiny(guest.settings):
                self._set_up(guest, interface)

    def _set_up(self, guest: Guest, interface: Interface) -> None:
        """Have the machine call a card by its name, and use it. Raises CommandFailed."""
        self._inside(guest).do(f"fakevm-interface {tiny.line(interface)}")

    def detach(self, guest: Guest, interface: Interface) -> None:
        """See Kind."""
        with as_plug_failed(f"cannot remove the card of {interface.words}"):
            try:
                with self._monitor(guest) as monitor:
                    _unplug(monitor, _name(interface))
            except errors.Unreachable:
                return  # with QEMU, all that it had is gone
            if left := link.wait_gone(_taps([interface]), timeout=_REMOVAL):
                raise errors.PlugFailed(f"{', '.join(left)} is still there")

    def tag(self, guest: Guest, interface: Interface) -> str:
        """See Kind. It has devices of its own making."""
        return "a virtual machine makes its VLAN devices itself" if interface.port and interface.port.vlans else ""

    def shut_down(self, guest: Guest, seconds: float) -> None:
        """See Kind. Its power button is pressed, by ACPI."""
        with contextlib.suppress(errors.FakevmError):
            with self._monitor(guest) as monitor:
                monitor.ask("system_powerdown")
            remains(lambda: "it runs" if self._qemu(guest).is_alive() else "", seconds, pause=_ENDING)

    def remove(self, guest: Guest, interfaces: Sequence[Interface]) -> None:
        """See Kind."""
        with as_plug_failed(f"cannot remove the guest {guest.title}"):
            self._let_go(guest)
            process.stop(netns.processes(netns.identities([guest.namespace])))
            netns.remove(guest.namespace)
            if left := link.wait_gone(_taps(interfaces), timeout=_REMOVAL):
                link.batch([f"link del {device}" for device in left], force=True)
            shutil.rmtree(directory(guest.namespace).parent, ignore_errors=True)

    def forget(self, guest: Guest) -> None:
        """See Kind."""
        self._assembly.disk(guest, self._place(guest)).forget()
        shutil.rmtree(self._place(guest), ignore_errors=True)

    def console_log(self, guest: Guest, most: int) -> bytes:
        """See Kind. What it has said at its serial console since it was made."""
        with as_plug_failed(f"cannot read the console log of the guest {guest.title}"):
            return console.read(self._place(guest), most)

    def problem(self, guest: Guest) -> str:
        """See Kind."""
        if not netns.exists(guest.namespace):
            return f"there is no namespace {guest.namespace}"
        if self._qemu(guest).is_alive():
            return ""
        said = self._qemu(guest).last_words() or self._last_line(guest)
        return f"the virtual machine has ended{f'; the last that it said: {said}' if said else ''}"

    def device_problem(self, guest: Guest, interface: Interface) -> str:
        """See Kind."""
        lacking = [name for name in _taps([interface]) if not link.exists(name)]
        return f"there is no tap {lacking[0]}" if lacking else ""

    def addresses(self, guest: Guest) -> dict[str, list[str]]:
        """See Kind. One that does not answer is one that has none yet."""
        if access.of(guest.settings) == "none":
            return {}
        try:
            with self._monitor(guest, timeout=_ANSWERING) as monitor:
                if not monitor.ask("query-status")["running"]:
                    return {}
            return self._inside(guest).addresses(known.names(directory(guest.namespace)))
        except errors.FakevmError:
            return {}

    def address(self, guest: Guest, interface: Interface, mode: Addressing, timeout: float) -> None:
        """See Kind. The machine asks DHCP by itself; only what no DHCP serves is set.

        In one that nobody gets into nothing can be set, nor seen.
        """
        assert interface.port
        if mode == "none" or access.of(guest.settings) == "none":
            return
        ways = {fixed: way(fixed, mode) for fixed in interface.port.fixed_ips}
        if static := [fixed for fixed, how in ways.items() if how == "static"]:
            with as_plug_failed(f"cannot set the addresses of {interface.words}"):
                self._inside(guest).set(interface, static)

        def lacking() -> str:
            if gone := self.problem(guest):
                raise errors.NotFound(f"{interface.words} has no guest on this host: {gone}")
            has = {ipaddress.ip_interface(one).ip for one in self.addresses(guest).get(interface.name, [])}
            return ", ".join(
                f"{fixed.address} ({ways[fixed]})" for fixed in ways if ipaddress.ip_address(fixed.address) not in has
            )

        if lacks := remains(lacking, timeout, pause=_LOOK):
            said = self._last_line(guest)
            raise errors.TimedOut(
                f"the guest of {interface.words} did not get {lacks} in {timeout:g} s"
                f"{f'; the last on its console: {said}' if said else ''}",
                hint="Look at the port's status, at the DHCP server's host and at the guest's console.",
            )

    def state(self, guest: Guest, interfaces: Sequence[Interface]) -> GuestState:
        """See Kind. All that it has is in its memory, which is offered from now on to whoever takes it."""
        from fakevm.model.guest import GuestState

        if gone := self.problem(guest):
            raise errors.PlugFailed(f"cannot read the state of the guest {guest.title}: {gone}")
        with as_plug_failed(f"cannot read the state of the guest {guest.title}"):
            if guest.id in self._offers and self._offers[guest.id].is_void:
                self._offers.pop(guest.id).withdraw()
        if guest.id not in self._offers and transfer.is_possible():
            self._offers[guest.id] = Offer(sockets(guest.namespace).monitor)
        return GuestState(memory=str(self._offers[guest.id].path) if guest.id in self._offers else "")

    def silence(self, guest: Guest, interfaces: Sequence[Interface]) -> None:
        """See Kind. Its processors stand still; of one that moves, when the last of its memory is on its way."""
        with as_plug_failed(f"cannot silence the guest {guest.title}"):
            offer = self._offers.pop(guest.id, None)
            if offer and offer.is_taken:
                offer.finish()
                return
            if offer:
                offer.withdraw()
            with self._monitor(guest) as monitor:
                monitor.ask("stop")

    def prime(self, guest: Guest, interfaces: Sequence[Interface], state: GuestState) -> None:
        """See Kind. Its memory begins to come."""
        if not state.memory:
            raise errors.PlugFailed(
                f"the memory of {guest.title} cannot be had here: virtual machines move alive within a lab",
                hint="Move it cold.",
            )
        with as_plug_failed(f"cannot have the memory of {guest.title}"):
            transfer.take(state.memory, sockets(guest.namespace).monitor)
            if guest.id in self._asleep:
                self._asleep[guest.id].comes = True

    def wake(self, guest: Guest, interfaces: Sequence[Interface], state: GuestState, *, moved: bool) -> None:
        """See Kind. One whose memory has not come begins anew."""
        with as_plug_failed(f"cannot wake the guest {guest.title}"):
            with self._monitor(guest) as monitor:
                waits = monitor.ask("query-status")["status"] == "inmigrate"
            asleep = self._asleep.get(guest.id)
            if waits and not (asleep and asleep.comes):
                self._begin(guest, asleep)
            self._assembly.disk(guest, self._place(guest)).own()
            with self._monitor(guest) as monitor:
                transfer.arrived(monitor)
                transfer.cancel(monitor)
                monitor.ask("cont")
                with contextlib.suppress(errors.CommandFailed):
                    monitor.ask("announce-self", _ANNOUNCED)
            self._let_go(guest)

    def _begin(self, guest: Guest, asleep: Asleep | None) -> None:
        """Start QEMU again, with the same taps, so that the machine boots."""
        if asleep is None:
            raise errors.PlugFailed("the agent that made it asleep has ended", hint="Start the guest again.")
        process.stop(netns.processes(netns.identities([guest.namespace])))
        self._start(guest, asleep.cards, asleep.interfaces)

    def _let_go(self, guest: Guest) -> None:
        if asleep := self._asleep.pop(guest.id, None):
            asleep.close()
        if offer := self._offers.pop(guest.id, None):
            offer.withdraw()

    def command(self, guest: Guest, interfaces: Sequence[Interface], command: Sequence[str]) -> list[str]:
        """See Kind."""
        return command_in_vm(guest.namespace, command)

    def processes(self, guest: Guest, daemons: Mapping[str, Kept]) -> ProcessesSeen:
        """See Kind. They are in its memory, and nothing keeps them from going along."""
        return ProcessesSeen(unwritable="virtual machines go on when they move alive, and not from files")

    # -- within ----------------------------------------------------------------------------------------------

    def _place(self, guest: Guest) -> Path:
        return self.folder / "vm" / names.guest_folder(guest.id)

    def _qemu(self, guest: Guest) -> Qemu:
        return Qemu(guest.namespace, directory(guest.namespace), self._place(guest) / "qemu.log", jail.user(guest.id))

    def _last_line(self, guest: Guest) -> str:
        with contextlib.suppress(OSError):
            lines = console.read(self._place(guest), 4096).decode(errors="replace").splitlines()
            return next((line.strip() for line in reversed(lines) if line.strip()), "")[-300:]
        return ""

    @contextlib.contextmanager
    def _monitor(self, guest: Guest, timeout: float = 20.0) -> Iterator[Monitor]:
        with Monitor(sockets(guest.namespace).monitor, timeout) as monitor:
            yield monitor

    @staticmethod
    def _inside(guest: Guest) -> Inside:
        """See into a machine. Raises CommandFailed: there is no way into it."""
        try:
            return Inside(way_in(directory(guest.namespace) / "sockets", access_file(guest.namespace)))
        except NoAnswerError as exc:
            raise errors.CommandFailed(f"the machine cannot be asked: {exc}") from exc


def _name(interface: Interface) -> str:
    return f"nic{interface.index}"


def _card(guest: Guest, interface: Interface, descriptor: int) -> Card:
    if interface.index >= _SLOTS:
        raise errors.PlugFailed(f"a virtual machine has at most {_SLOTS} interfaces")
    slot, model = _FIRST_SLOT + interface.index, CARDS[guest.settings.machine.nic]
    return Card(_name(interface), interface.mac_address, descriptor, slot, model)


def _taps(interfaces: Sequence[Interface]) -> list[str]:
    """Name the taps of ports, which are in the host; those of links are elsewhere, and looked after there."""
    return [names.tap(interface.port.id) for interface in interfaces if interface.port]


def _unplug(monitor: Monitor, card: str) -> None:
    """Take a card out; a machine that does not let it go loses what is behind it. Raises Unreachable."""

    def there() -> str:
        return (
            card if any(one["name"] == card for one in monitor.ask("qom-list", {"path": "/machine/peripheral"})) else ""
        )

    if there():
        monitor.ask("device_del", {"id": card})
        remains(there, _LETTING_GO, pause=0.05)
    with contextlib.suppress(errors.CommandFailed):
        monitor.ask("netdev_del", {"id": f"{card}-net"})
