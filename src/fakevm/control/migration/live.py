"""Live migration, call by call as Nova does it (nova.compute.manager, live_migration and what it calls on both hosts).

The guest goes on at the destination with its addresses, routes and neighbours; only the time from ``pause-source`` to
``resume-destination`` is an outage of the guest itself, all else is Neutron's.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from fakevm.control.binding import MIGRATING_TO, describe, why_unbound
from fakevm.control.expectation import PLUGGED, Expectation, why_no_event
from fakevm.control.known import words
from fakevm.control.migration.base import LOG, Migration
from fakevm.control.migration.settling import Settling
from fakevm.control.neutron import Resource
from fakevm.errors import BindingFailed, Refused, TimedOut
from fakevm.model.guest import GuestState
from fakevm.model.port import Port
from fakevm.waiting import until

# Seconds between two questions to the agent of the destination.
TAKEN_PAUSE = 0.1
# Seconds that the way back waits for ACTIVE at most: somebody waits for the error.
SETTLING = 60.0


class LiveMigration(Migration):
    """Moves a port whose guest runs."""

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
        "resume-destination",
        "activate",
        "unplug-source",
        "clear-profile",
        "unbind-source",
        "wait-active",
    )

    def _work(self) -> None:
        self.job.undo.add(f"made sure that it is ACTIVE on {self.source}", self._settle_source)
        binding = self._bind_destination()
        self._prepare_destination(binding)
        self._copy_state()
        self._switch()
        self._leave_source()
        if self.move.wait:
            with self.course.wait("wait-active", "waiting for Neutron to call it ACTIVE"):
                self._wait_active()

    # -- before the switch: pre_live_migration ---------------------------------------------------------------

    def _bind_destination(self) -> Resource:
        port_id, host = self.port["id"], self.destination
        with self.course.step("bind-destination", f"binding to {host}, too"):
            self.job.undo.add(f"deleted the binding to {host}", lambda: self.neutron.delete_binding(port_id, host))
            try:
                return self.neutron.create_binding(port_id, host, vnic_type=self.port["binding:vnic_type"], profile={})
            except Refused as problem:
                reasons = "; ".join(why_unbound(host, self.network, self.neutron.agents(host=host)))
                raise BindingFailed(f"{problem.what}: {reasons}", hint=problem.hint) from problem

    def _prepare_destination(self, binding: Resource) -> None:
        port = describe(self.port, self.network, self.subnets, binding=binding, vlans=self.vlans)
        with self._expect_plugged() or nullcontext() as plugged:
            self._plug_destination(port)
            self._set_migrating_to()
            with self.course.wait("wait-plugged", f"waiting for Neutron's agent on {self.destination}"):
                self._wait_plugged(plugged)

    def _expect_plugged(self) -> Expectation | None:
        """Listen for Nova's event from now on, if one can come."""
        if self.events is None or why_no_event(self.events, self.port):
            return None
        return self.events.expect(PLUGGED, self.port["id"])

    def _plug_destination(self, port: Port) -> None:
        host = self.destination
        with self.course.step("plug-destination", f"plugging on {host}, asleep"):
            self.job.undo.add(f"unplugged on {host}", lambda: self.agents.on(host).unplug(port.id))
            self.agents.on(host).plug(port, asleep=True)
        self.job.lookout.plugged(port.id, host)

    def _set_migrating_to(self) -> None:
        before = dict(self.port["binding:profile"] or {})
        with self.course.step("migrating-to", f"saying that it moves to {self.destination}"):
            self.job.undo.add("cleared migrating_to", lambda: self._set_profile(before))
            self._set_profile({**before, MIGRATING_TO: self.destination})

    def _set_profile(self, profile: dict[str, Any]) -> None:
        port_id = self.port["id"]
        self.neutron.update_port(port_id, f"change the binding profile of {words(port_id)}", binding_profile=profile)

    def _wait_plugged(self, plugged: Expectation | None) -> None:
        try:
            if plugged:
                plugged.wait(self.move.timeout)
            else:
                self._wait_taken()
        except TimedOut as problem:
            if self.move.plugging_is_fatal:
                raise
            LOG.warning("going on without the event, as asked: %s", problem.what)

    def _settle_source(self) -> None:
        """See to it that it is ACTIVE at the source; what the guest announced before it was wired is said again."""
        port_id = self.port["id"]
        vif = self.agents.show(self.source, port_id)
        if vif is None or vif.problem or vif.taken is False or self.neutron.port(port_id)["status"] != "ACTIVE":
            self._settling(self.source).settle(min(self.move.timeout, SETTLING))
            self.agents.on(self.source).pause(port_id)
            self.agents.on(self.source).resume(port_id)

    def _settling(self, host: str) -> Settling:
        return Settling(self.neutron, self.agents, self.port["id"], host, self.course.note)

    def _wait_active(self) -> None:
        if self.move.help:
            self._settling(self.destination).settle(self.move.timeout, step=self.job.step)
        else:
            self.watch.wait(self.port["id"], self.move.timeout)

    def _wait_taken(self) -> None:
        """Without an event, ask the destination's agent whether Neutron has wired the port there."""
        what = f"Neutron has not wired it on {self.destination}"
        until(self._untaken, what, self.move.timeout, pause=TAKEN_PAUSE, require=self.job.check)

    def _untaken(self) -> str:
        vif = self.agents.show(self.destination, self.port["id"])
        if vif and vif.taken is None:
            LOG.warning("going on at once: nobody can tell when %s is wired", self.destination)
            return ""
        return "" if vif and vif.taken else "plugged, but not wired" if vif else "not plugged there"

    def _copy_state(self) -> None:
        """Give the destination what the guest has now, as QEMU copies its memory: less is left to do in the outage."""
        with self.course.step("copy-state", f"copying what the guest has to {self.destination}"):
            state = self.agents.on(self.source).read_state(self.port["id"])
            self.agents.on(self.destination).prime(self.port["id"], state)

    # -- the switch ------------------------------------------------------------------------------------------

    def _switch(self) -> None:
        source, destination, port_id = self.source, self.destination, self.port["id"]
        with self.course.step("pause-source", f"pausing the guest on {source}"):
            self.job.undo.add(f"woke the guest on {source}", lambda: self.agents.on(source).resume(port_id))
            state = self.agents.on(source).pause(port_id)
        self._resume_destination(state)
        with self.course.step("activate", f"activating the binding to {destination}"):
            self.job.undo.add(f"activated the binding to {source}", self._activate_source)
            self.neutron.activate_binding(port_id, destination)

    def _resume_destination(self, state: GuestState) -> None:
        host, port_id = self.destination, self.port["id"]
        with self.course.step("resume-destination", f"waking the guest on {host}"):
            self.job.undo.add(f"silenced the guest on {host}", lambda: self.agents.on(host).pause(port_id))
            self.agents.on(host).resume(port_id, state)

    def _activate_source(self) -> None:
        """Make the source's binding the ACTIVE one again, unless it still is: Neutron refuses that."""
        if self.neutron.port(self.port["id"])["binding:host_id"] != self.source:
            self.neutron.activate_binding(self.port["id"], self.source)

    # -- after the switch: post_live_migration ---------------------------------------------------------------

    def _leave_source(self) -> None:
        port_id, source = self.port["id"], self.source
        with self.course.step("unplug-source", f"unplugging on {source}"):
            self.job.undo.add(f"plugged on {source} again", self._plug_source)
            self.job.lookout.leaves(port_id, source)
            self.agents.on(source).unplug(port_id)
        with self.course.step("clear-profile", "clearing migrating_to"):
            # It stands in the source's binding, which goes now: only if Neutron took it over is there something to do.
            profile = dict(self.neutron.port(port_id)["binding:profile"] or {})
            if profile.pop(MIGRATING_TO, None):
                self._set_profile(profile)
        with self.course.step("unbind-source", f"deleting the binding to {source}"):
            self.job.undo.add(f"bound to {source} again", self._bind_source)
            self.neutron.delete_binding(port_id, source)

    def _plug_source(self) -> None:
        """Make the source's guest anew, asleep, with the state that the destination's guest has now."""
        port_id = self.port["id"]
        state = self.agents.on(self.destination).pause(port_id)
        described = describe(self.port, self.network, self.subnets, vlans=self.vlans)
        self.agents.on(self.source).plug(described, asleep=True)
        self.agents.on(self.source).resume(port_id, state)

    def _bind_source(self) -> None:
        if self.source not in (binding["host"] for binding in self.neutron.bindings(self.port["id"])):
            self.neutron.create_binding(
                self.port["id"],
                self.source,
                vnic_type=self.port["binding:vnic_type"],
                profile=dict(self.port["binding:profile"] or {}),
            )
