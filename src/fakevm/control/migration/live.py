"""Live migration, call by call as Nova does it (nova.compute.manager, live_migration and what it calls on both hosts).

The guest goes on at the destination with its addresses, routes and neighbours; only the time from ``pause-source`` to
``resume-destination`` is an outage of the guest itself, all else is Neutron's. What is asked of Neutron for each of
several ports is asked for one after the other, as Nova does it; the guest is paused once, and resumed once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from fakevm.control.binding import MIGRATING_TO, why_unbound
from fakevm.control.expectation import PLUGGED, Expectation, why_no_event
from fakevm.control.job import all_in_background
from fakevm.control.known import words
from fakevm.control.migration.base import LOG, Migration
from fakevm.control.migration.moving import MovingPort
from fakevm.control.migration.processes import Processes
from fakevm.control.migration.settling import Settling
from fakevm.control.neutron import Resource
from fakevm.errors import BindingFailed, InvalidInput, Refused, TimedOut
from fakevm.model.guest import GuestState
from fakevm.model.kind import CONTAINER_KIND
from fakevm.waiting import until

# Seconds between two questions to the agent of the destination.
TAKEN_PAUSE = 0.1
# Seconds that the way back waits for ACTIVE at most: somebody waits for the error.
SETTLING = 60.0


class LiveMigration(Migration):
    """Moves a guest that runs."""

    kind = "live"
    step_names = (
        "check",
        "observe",
        "bind-destination",
        "plug-destination",
        "migrating-to",
        "wait-plugged",
        "copy-state",
        "pause-source",
        "freeze",
        "resume-destination",
        "activate",
        "unplug-source",
        "clear-profile",
        "unbind-source",
        "wait-active",
    )

    def _check(self) -> None:
        """See Migration. What of its processes cannot go along is told before anything is done.

        Raises InvalidInput when a step is meant to fail or wait that only processes have, and none go along.
        """
        super()._check()
        self._processes = Processes(self.agents, self.guest.id, self.move.processes, seconds=self.move.timeout)
        self._processes.decide(self.source, self.found.words)
        if not self._processes.move and "freeze" in (self.move.fail_at, *self.move.delays):
            raise InvalidInput(
                f"no processes of {self.found.words} go along, so its migration has no step 'freeze'",
                hint="It is a step of containers whose processes move: --processes move says what keeps them.",
            )
        # Of other kinds it is known that theirs end.
        for problem in self._processes.staying if self.guest.seen.kind == CONTAINER_KIND else ():
            LOG.warning("not all of its processes go along: %s", problem)

    def _work(self) -> None:
        self.job.undo.add(f"made sure that it is ACTIVE on {self.source}", self._settle_source)
        bindings = self._bind_destination()
        self._prepare_destination(bindings)
        self._copy_state()
        self._switch()
        self._leave_source()
        if self.move.wait:
            with self.course.wait("wait-active", "waiting for Neutron to call it ACTIVE"):
                self._wait_active()

    # -- before the switch: pre_live_migration ---------------------------------------------------------------

    def _bind_destination(self) -> dict[str, Resource]:
        """Give each port a binding to the destination; gives those, by the ports' ids."""
        host = self.destination
        with self.course.step("bind-destination", f"binding to {host}, too"):
            return {port.id: self._bind(port, host) for port in self.guest.ports}

    def _bind(self, port: MovingPort, host: str) -> Resource:
        delete = functools.partial(self.neutron.delete_binding, port.id, host)
        self._undo(port, f"deleted the binding{self.guest.whose(port)} to {host}", delete)
        vnic_type = port.resource["binding:vnic_type"]
        try:
            return self.neutron.create_binding(port.id, host, vnic_type=vnic_type, profile={})
        except Refused as problem:
            reasons = "; ".join(why_unbound(host, port.network, self.neutron.agents(host=host)))
            raise BindingFailed(f"{problem.what}: {reasons}", hint=problem.hint) from problem

    def _prepare_destination(self, bindings: Mapping[str, Resource]) -> None:
        with self._plugged_events() as plugged:
            self._plug_destination(bindings)
            self._set_migrating_to()
            with self.course.wait("wait-plugged", f"waiting for Neutron's agent on {self.destination}"):
                all_in_background(functools.partial(self._wait_plugged, port, plugged) for port in self.guest.ports)

    @contextmanager
    def _plugged_events(self) -> Iterator[dict[str, Expectation]]:
        """Listen for Nova's events from now on, of the ports of which one can come."""
        with ExitStack() as stack:
            yield {
                port.id: stack.enter_context(self.events.expect(PLUGGED, port.id))
                for port in self.guest.ports
                if self.events and not why_no_event(self.events, port.resource)
            }

    def _plug_destination(self, bindings: Mapping[str, Resource]) -> None:
        host = self.destination
        wanted = [port.described(binding=bindings[port.id]) for port in self.guest.ports]
        with self.course.step("plug-destination", f"plugging on {host}, asleep"):
            self.job.undo.add(f"unplugged on {host}", lambda: self.agents.on(host).remove(self.guest.id))
            self.guest.make(self.agents.on(host), wanted, asleep=True)
        for port in self.guest.ports:
            self.job.lookout.plugged(port.id, host)

    def _set_migrating_to(self) -> None:
        with self.course.step("migrating-to", f"saying that it moves to {self.destination}"):
            for port in self.guest.ports:
                before = dict(port.resource["binding:profile"] or {})
                clear = functools.partial(self._set_profile, port.id, before)
                self._undo(port, f"cleared migrating_to{self.guest.whose(port)}", clear)
                self._set_profile(port.id, {**before, MIGRATING_TO: self.destination})

    def _set_profile(self, port_id: str, profile: dict[str, Any]) -> None:
        self.neutron.update_port(port_id, f"change the binding profile of {words(port_id)}", binding_profile=profile)

    def _wait_plugged(self, port: MovingPort, plugged: Mapping[str, Expectation]) -> None:
        try:
            if port.id in plugged:
                plugged[port.id].wait(self.move.timeout)
            else:
                self._wait_taken(port)
        except TimedOut as problem:
            if self.move.plugging_is_fatal:
                raise
            LOG.warning("going on without the event, as asked: %s", problem.what)

    def _settle_source(self) -> None:
        """See to it that it is ACTIVE at the source; what the guest announced before it was wired is said again."""
        ports = self._present()
        if ports and not all(self._is_well(port.id) for port in ports):
            self._settling(self.source, ports).settle(min(self.move.timeout, SETTLING))
            self.agents.on(self.source).pause(self.guest.id)
            self.agents.on(self.source).resume(self.guest.id)

    def _is_well(self, port_id: str) -> bool:
        vif = self.agents.show(self.source, port_id)
        wired = vif is not None and not vif.problem and vif.taken is not False
        return wired and self.neutron.port(port_id)["status"] == "ACTIVE"

    def _settling(self, host: str, ports: tuple[MovingPort, ...]) -> Settling:
        devices = {port.id: port.device for port in ports}
        return Settling(self.neutron, self.agents, self.guest.id, devices, host=host, note=self.course.note)

    def _wait_active(self) -> None:
        if self.move.help:
            self._settling(self.destination, self.guest.ports).settle(self.move.timeout, step=self.job.step)
        else:
            for port in self.guest.ports:
                self.watch.wait(port.id, self.move.timeout)

    def _wait_taken(self, port: MovingPort) -> None:
        """Without an event, ask the destination's agent whether Neutron has wired the port there."""
        what = f"Neutron has not wired {words(port.id)} on {self.destination}"
        until(lambda: self._untaken(port), what, self.move.timeout, pause=TAKEN_PAUSE, require=self.job.check)

    def _untaken(self, port: MovingPort) -> str:
        vif = self.agents.show(self.destination, port.id)
        if vif and vif.taken is None:
            LOG.warning("going on at once: nobody can tell when %s is wired", self.destination)
            return ""
        return "" if vif and vif.taken else "plugged, but not wired" if vif else "not plugged there"

    def _copy_state(self) -> None:
        """Give the destination what the guest has now, as QEMU copies its memory: less is left to do in the outage."""
        with self.course.step("copy-state", f"copying what the guest has to {self.destination}"):
            state = self.agents.on(self.source).read_state(self.guest.id)
            self.agents.on(self.destination).prime(self.guest.id, state)

    # -- the switch ------------------------------------------------------------------------------------------

    def _switch(self) -> None:
        source, guest_id = self.source, self.guest.id
        with self.course.step("pause-source", f"pausing the guest on {source}"):
            self.job.undo.add(f"woke the guest on {source}", lambda: self.agents.on(source).resume(guest_id))
            state = self.agents.on(source).pause(guest_id)
        if self._processes.move:
            with self.course.step("freeze", f"writing its processes on {source} down"):
                self.job.undo.add("removed what was written down", lambda: self._processes.discard(source))
                self._processes.freeze(source)
        self._resume_destination(state)
        with self.course.step("activate", f"activating the binding to {self.destination}"):
            for port in self.guest.ports:
                activate = functools.partial(self._activate_source, port.id)
                self._undo(port, f"activated the binding{self.guest.whose(port)} to {source}", activate)
                self.neutron.activate_binding(port.id, self.destination)

    def _resume_destination(self, state: GuestState) -> None:
        host, guest_id = self.destination, self.guest.id
        with self.course.step("resume-destination", f"waking the guest on {host}"):
            self.job.undo.add(f"silenced the guest on {host}", lambda: self.agents.on(host).pause(guest_id))
            if self._processes.move:
                self._processes.revive(host)
            if self._processes.move:
                self.job.undo.add(f"brought its processes back to {self.source}", self._bring_back)
            else:
                self.agents.on(host).resume(guest_id, state)

    def _bring_back(self) -> None:
        """Have the source's guest go on from where the destination's is, unless it does: others heard of that."""
        if not self.agents.on(self.destination).show_guest(self.guest.id).asleep:
            self._processes.freeze(self.destination)
            if self._processes.move:
                self._processes.revive(self.source)

    def _activate_source(self, port_id: str) -> None:
        """Make the source's binding the ACTIVE one again, unless it still is: Neutron refuses that."""
        if self.neutron.port(port_id)["binding:host_id"] != self.source:
            self.neutron.activate_binding(port_id, self.source)

    # -- after the switch: post_live_migration ---------------------------------------------------------------

    def _leave_source(self) -> None:
        source = self.source
        with self.course.step("unplug-source", f"unplugging on {source}"):
            self.job.undo.add(f"plugged on {source} again", self._plug_source)
            for port in self.guest.ports:
                self.job.lookout.leaves(port.id, source)
            self.agents.on(source).remove(self.guest.id)
            self._processes.discard(source)
        with self.course.step("clear-profile", "clearing migrating_to"):
            for port in self.guest.ports:
                # It stands in the source's binding, which goes now: only if Neutron took it over there is work to do.
                profile = dict(self.neutron.port(port.id)["binding:profile"] or {})
                if profile.pop(MIGRATING_TO, None):
                    self._set_profile(port.id, profile)
        with self.course.step("unbind-source", f"deleting the binding to {source}"):
            for port in self.guest.ports:
                bind = functools.partial(self._bind_source, port)
                self._undo(port, f"made the binding{self.guest.whose(port)} to {source} again", bind)
                self.neutron.delete_binding(port.id, source)

    def _plug_source(self) -> None:
        """Make the source's guest anew, asleep, with the state that the destination's guest has now."""
        state = self.agents.on(self.destination).pause(self.guest.id)
        if self._processes.move:
            self._processes.freeze(self.destination)
        source = self.agents.on(self.source)
        self.guest.make(source, [port.described() for port in self._present()], asleep=True)
        if self._processes.move:
            self._processes.revive(self.source)
        if not self._processes.move:
            source.resume(self.guest.id, state)

    def _bind_source(self, port: MovingPort) -> None:
        if self.source not in (binding["host"] for binding in self.neutron.bindings(port.id)):
            self.neutron.create_binding(
                port.id,
                self.source,
                vnic_type=port.resource["binding:vnic_type"],
                profile=dict(port.resource["binding:profile"] or {}),
            )
