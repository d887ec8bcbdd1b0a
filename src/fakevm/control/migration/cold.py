"""The plain form of migration: unplug there, bind anew, plug here, and get the addresses again."""

from __future__ import annotations

from fakevm.control.binding import bind
from fakevm.control.migration.base import Migration
from fakevm.control.migration.moving import MovingPort


class ColdMigration(Migration):
    """Moves a guest that ends at the source and begins anew at the destination."""

    kind = "cold"
    step_names = ("check", "observe", "unplug", "bind", "plug", "active", "address")

    def _work(self) -> None:
        source, destination = self.source, self.destination
        with self.course.step("unplug", f"unplugging on {source}"):
            self.job.undo.add(f"put {self.found.words} back on {source}", self._put_back)
            for port in self.guest.ports:
                self.job.lookout.leaves(port.id, source)
            self.agents.on(source).remove(self.guest.id)
        with self.course.step("bind", f"binding to {destination}"):
            bound = [port.described(bound=bind(self.neutron, port.resource, destination)) for port in self.guest.ports]
        with self.course.step("plug", f"plugging on {destination}"):
            self.job.undo.add(f"unplugged on {destination}", lambda: self.agents.on(destination).remove(self.guest.id))
            self.guest.make(self.agents.on(destination), bound)
        for port in self.guest.ports:
            self.job.lookout.plugged(port.id, destination)
        if not self.move.wait:
            return
        with self.course.wait("active", "waiting for Neutron to call it ACTIVE"):
            self._wait_active(self.guest.ports)
        with self.course.wait("address", "waiting for its addresses"):
            self._address(self.guest.ports, destination)

    def _wait_active(self, ports: tuple[MovingPort, ...]) -> None:
        for port in ports:
            self.watch.wait(port.id, self.move.timeout)

    def _address(self, ports: tuple[MovingPort, ...], host: str) -> None:
        for port in ports:
            self.agents.on(host).address(port.id, self.move.addressing, self.move.timeout)

    def _put_back(self) -> None:
        """Bind and make it at the source again, and give it its addresses back; what was deleted meanwhile is gone."""
        ports = self._present()
        bound = [port.described(bound=bind(self.neutron, self.neutron.port(port.id), self.source)) for port in ports]
        self.guest.make(self.agents.on(self.source), bound)
        if self.move.wait:
            self._wait_active(ports)
            self._address(ports, self.source)
