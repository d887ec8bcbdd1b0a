"""Interfaces that a guest gets while it runs, and those that are taken from it, as Nova does it."""

from __future__ import annotations

import functools
from dataclasses import replace

from fakevm.control.agents import Agents
from fakevm.control.binding import bind, is_bound, release
from fakevm.control.creation import Order, create_ports
from fakevm.control.expectation import Events
from fakevm.control.guests import Guests, refuse_asleep, refuse_stopped
from fakevm.control.job import Job
from fakevm.control.known import guest_words, words
from fakevm.control.lookout import Lookout
from fakevm.control.lookup import only
from fakevm.control.neutron import Neutron, Resource
from fakevm.control.stopwatch import Stopwatch
from fakevm.control.whereabouts import Whereabouts
from fakevm.control.wiring import WiredPort, Wiring, Wish
from fakevm.errors import Conflict, InvalidInput, NotFound
from fakevm.model.guest import GuestSeen
from fakevm.model.identity import is_uuid
from fakevm.model.interface import InterfaceSeen
from fakevm.model.value import Value
from fakevm.progress import SILENT, Progress


class Attached(Value):
    """An interface that a guest has: its name there, and its port."""

    name: str
    wired: WiredPort


class Detached(Value):
    """An interface that was taken from a guest, and what became of its port in Neutron (nothing: it was none)."""

    guest: GuestSeen
    interface: InterfaceSeen
    port: str = ""


class Attaching:
    """Attaches interfaces to guests that run, and detaches them."""

    def __init__(
        self, neutron: Neutron, agents: Agents, progress: Progress = SILENT, events: Events | None = None
    ) -> None:
        self._neutron = neutron
        self._agents = agents
        self._progress = progress
        self._events = events
        self._guests = Guests(neutron, agents)

    def attach_port(self, guest: str, port: str, wish: Wish) -> Attached:
        """Make a port that nobody has a guest's, bind it to the guest's host and plug it; else all is put back.

        No change when the guest has it so. ``wish.host``: where the guest is to be, or "". Raises NotFound, Ambiguous,
        Conflict (the port is another's, bound or plugged elsewhere; the interface's name or MAC address is taken), and
        what wiring raises.
        """
        seen = self._guests.find(guest, wish.host or None)
        found = only(port, self._neutron.find_guest(port))
        lookout = Lookout(self._neutron, self._agents)
        lookout.exists(found.port_id)
        alone = self._guests.alone(
            seen, "the attachment of a port", [found.port_id], patience=wish.timeout, progress=self._progress
        )
        with lookout.explained(), alone as seen:
            refuse_stopped(seen)
            known = self._neutron.port(found.port_id)
            self._refuse(known, seen, wish.device)
            network = self._neutron.network(known["network_id"])
            wiring = Wiring(
                self._neutron,
                self._agents,
                network,
                self._neutron.subnets(network["id"]),
                progress=self._progress,
                events=self._events,
            )
            wish = replace(wish, host=seen.host, joins=True)
            wiring.require_nic(wish)
            wired = wiring.job.run(lambda: _attach(wiring, known, seen, wish))
        return Attached(name=self._name_of(seen.host, known["id"]), wired=wired)

    def attach_network(self, guest: str, order: Order, wish: Wish) -> Attached:
        """Make a port of a network for a guest and plug it; else it is deleted again. ``order`` need name no instance.

        Raises NotFound, Ambiguous, Conflict when the interface's name is taken, and what ``create_ports`` raises.
        """
        seen = self._guests.find(guest, wish.host or None)
        refuse_asleep(seen)
        refuse_stopped(seen)
        _refuse_name(seen, wish.device)
        order = replace(order, instance=seen.id, name=order.name or _name_of_another(seen, wish.device))
        (made,) = create_ports(
            self._neutron, self._agents, order, [replace(wish, host=seen.host, joins=True)],
            progress=self._progress, events=self._events,
        )  # fmt: skip
        return Attached(name=self._name_of(seen.host, made.port_id), wired=made)

    def detach(self, guest: str, interface: str, *, host: str | None = None, delete: bool = False) -> Detached:
        """Take an interface from a guest, which stays; its port is nobody's then, or deleted.

        ``interface`` is its name, its port's id or the beginning of that. What was begun is finished, also when it is
        interrupted. Raises NotFound, Ambiguous, InvalidInput for what comes with another interface, Conflict,
        PlugFailed.
        """
        seen = self._guests.find(guest, host)
        chosen = _chosen(seen, interface)
        ports = [chosen.attached] if chosen.kind == "port" else []
        job = Job(Lookout(self._neutron, self._agents), self._progress)
        with self._guests.alone(seen, "the detachment of an interface", ports) as seen:
            return job.run(functools.partial(self._detach, job, seen, _chosen(seen, chosen.name), delete))

    # -- within ----------------------------------------------------------------------------------------------

    def _name_of(self, host: str, port_id: str) -> str:
        return self._agents.on(host).show(port_id).device

    def _refuse(self, port: Resource, guest: GuestSeen, name: str) -> None:
        """Raise Conflict when a port cannot be made an interface of the guest."""
        owner = port["device_id"] or port["id"]
        bound = port["binding:host_id"]
        if port["device_id"] not in ("", guest.id):
            raise Conflict(
                f"{words(port['id'])} belongs to {guest_words(owner)}",
                hint="Detach it there first (fakevm interface detach), or choose another port.",
            )
        if bound not in ("", guest.host):
            raise Conflict(
                f"{words(port['id'])} is bound to {bound}, {guest_words(guest.id)} is on {guest.host}",
                hint=f"Unbind it (openstack port unset --host {port['id']}), or choose another port.",
            )
        mine = next((each for each in guest.interfaces if each.attached == port["id"]), None)
        vifs = {} if mine else Whereabouts(self._neutron, self._agents).where(port["id"], bound=bound).vifs
        if vifs:
            host = next(iter(vifs))
            raise Conflict(
                f"{words(port['id'])} is plugged on {', '.join(vifs)}, as {guest_words(vifs[host].instance_id)}",
                hint=f"Unplug it there first: fakevm unplug {port['id']} --host {host}",
            )
        if mine and name not in ("", mine.name):
            raise Conflict(
                f"{words(port['id'])} is attached to {guest_words(guest.id)} already, as {mine.name}",
                hint=f"Detach it first: fakevm interface detach {guest.title} {mine.name}",
            )
        others = [each for each in guest.interfaces if each is not mine]
        same = next((each for each in others if each.mac_address.lower() == port["mac_address"].lower()), None)
        if same and same.kind != "vlan":
            raise Conflict(
                f"{guest_words(guest.id)} has an interface with the MAC address {port['mac_address']}: {same.name}",
                hint="Give the port another one: openstack port set --mac-address.",
            )
        _refuse_name(guest.model_copy(update={"interfaces": tuple(others)}), name)

    def _detach(self, job: Job, guest: GuestSeen, interface: InterfaceSeen, delete: bool) -> Detached:
        with job.step():
            self._progress.seen(f"detaching {interface.name} from {guest_words(guest.id)}")
            self._agents.on(guest.host).detach(guest.id, interface.name)
            result = self._let_go(interface.attached, delete) if interface.kind == "port" else ""
            seen = self._agents.on(guest.host).show_guest(guest.id)
        return Detached(guest=seen, interface=interface, port=result)

    def _let_go(self, port_id: str, delete: bool) -> str:
        if delete:
            return "deleted" if self._neutron.delete_port(port_id) else "was not there"
        try:
            release(self._neutron, port_id)
        except NotFound:
            return "was not there"
        return "nobody's"


def _attach(wiring: Wiring, port: Resource, guest: GuestSeen, wish: Wish) -> WiredPort:
    """Make a port a guest's and bind it, in one request as Nova does, and plug it; else it is again what it was."""
    before = {"device_id": port["device_id"], "device_owner": port["device_owner"]}
    before["binding_host_id"] = port["binding:host_id"] or None
    if "dns_name" in port:
        # It may get one when it is bound.
        before["dns_name"] = port["dns_name"]
    # A port without device_id may be that by whose id the guest is called.
    owner = {} if guest.id in (port["device_id"], port["id"]) else {"device_id": guest.id}
    stopwatch = Stopwatch()
    if owner or not is_bound(port, guest.host):
        with wiring.job.step(), stopwatch.step("bind"):
            wiring.progress.seen(f"binding to {guest.host}")
            back = functools.partial(wiring.neutron.update_port, port["id"], f"put {words(port['id'])} back", **before)
            wiring.job.undo.add(f"made {words(port['id'])} what it was", back, thing=port["id"])
            port = bind(wiring.neutron, port, guest.host, wish.hostname, **owner)
    return wiring.wire(port, wish, stopwatch)


def _chosen(guest: GuestSeen, wanted: str) -> InterfaceSeen:
    """Choose the interface that is meant. Raises NotFound, InvalidInput for a VLAN's device."""
    there = [each for each in guest.interfaces if wanted == each.name]
    there = there or [each for each in guest.interfaces if each.kind == "port" and each.attached == wanted.lower()]
    there = there or [
        each for each in guest.interfaces if each.kind == "port" and each.attached.startswith(wanted.lower())
    ]
    if len(there) != 1:
        has = ", ".join(f"{each.name} ({each.attached})" for each in guest.interfaces) or "none"
        raise NotFound(f"{guest_words(guest.id)} has no interface {wanted!r}", hint=f"It has: {has}.")
    if there[0].kind == "vlan":
        raise InvalidInput(
            f"{wanted} comes with the trunk of {there[0].attached}: it cannot be detached by itself",
            hint="Take the subport from the trunk (openstack network trunk unset --subport), then plug the port again.",
        )
    return there[0]


def _refuse_name(guest: GuestSeen, name: str) -> None:
    same = next((each for each in guest.interfaces if name and each.name == name), None)
    if same:
        raise Conflict(
            f"{guest_words(guest.id)} has an interface {name} already, attached to {same.attached}",
            hint="Choose another --device, or detach that one first.",
        )


def _name_of_another(guest: GuestSeen, device: str) -> str:
    """Name a further port as a lab file's guest names its own, where the guest's id says nothing to people."""
    number = sum(each.kind == "port" for each in guest.interfaces)
    return f"{guest.name}-{device or number}" if guest.name and is_uuid(guest.id) else ""
