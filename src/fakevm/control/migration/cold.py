"""The plain form of migration: unplug there, bind anew, plug here, and get the addresses again."""

from __future__ import annotations

from fakevm.control.binding import bind, describe
from fakevm.control.known import words
from fakevm.control.migration.base import Migration
from fakevm.control.stopwatch import Stopwatch
from fakevm.control.wiring import Wiring, Wish


class ColdMigration(Migration):
    """Moves a port whose guest ends at the source and begins anew at the destination."""

    kind = "cold"
    step_names = ("check", "observe", "unplug", "bind", "plug", "active", "address")

    def _work(self) -> None:
        port_id, source, destination = self.port["id"], self.source, self.destination
        with self.course.step("unplug", f"unplugging on {source}"):
            self.job.undo.add(f"put {words(port_id)} back on {source}", self._put_back)
            self.job.lookout.leaves(port_id, source)
            self.agents.on(source).unplug(port_id)
        with self.course.step("bind", f"binding to {destination}"):
            bound = bind(self.neutron, self.port, destination)
        with self.course.step("plug", f"plugging on {destination}"):
            self.job.undo.add(f"unplugged on {destination}", lambda: self.agents.on(destination).unplug(port_id))
            self.agents.on(destination).plug(describe(bound, self.network, self.subnets, vlans=self.vlans))
        self.job.lookout.plugged(port_id, destination)
        if not self.move.wait:
            return
        with self.course.wait("active", "waiting for Neutron to call it ACTIVE"):
            self.watch.wait(port_id, self.move.timeout)
        with self.course.wait("address", "waiting for its addresses"):
            self.agents.on(destination).address(port_id, self.move.addressing, self.move.timeout)

    def _put_back(self) -> None:
        """Bind and plug at the source again, and give the guest its addresses back."""
        bound = bind(self.neutron, self.neutron.port(self.port["id"]), self.source)
        wiring = Wiring(self.neutron, self.agents, self.network, self.subnets)
        wish = Wish(self.source, self.move.addressing, wait=self.move.wait, timeout=self.move.timeout)
        wiring.wire(bound, wish, Stopwatch())
