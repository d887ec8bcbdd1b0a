"""Waiting until a port that moved is ACTIVE, and helping when Neutron's agent has left it alone.

Neutron's Open vSwitch agent (29.0.0) has two ways to do so:

* At the destination it takes an activated port for one that moves away, because the binding to the source is INACTIVE
  now, and skips it (neutron/agent/rpc.py, get_device_details). It reads its own copy of the port, sent at the
  activation; the deletion of that binding, however soon, sends no newer one: the port stays DOWN until somebody
  updates it. See docs/findings/0001-port-stays-down-after-live-migration.md.
* A binding that was deactivated has the port removed from the bridge, when the agent comes to it (ovs_neutron_agent.py,
  process_deactivated_bindings), even if by then the port is back.

With ML2/OVN no agent is asked: Neutron waits for OVN to take the port from "up" to "not up" and back, and OVN may do so
too quickly to be seen. See docs/findings/0002-port-stays-down-after-live-migration-with-ovn.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress

from fakevm.control.agents import Agents
from fakevm.control.binding import describe, tagged
from fakevm.control.known import words
from fakevm.control.migration.moving import named
from fakevm.control.neutron import Neutron, Resource
from fakevm.errors import NotFound, TimedOut
from fakevm.model.guest import GuestState
from fakevm.model.port import Vif

# Seconds. Neutron's agent looks for news every 2 s and takes some time; who has not come by then was not told.
FIRST_PATIENCE = 3.0
PATIENCE = 10.0
PAUSE = 0.2
# How often OVN is asked to say once more that the port is up, before it is taken from OVN, which costs packets. Asking
# costs none, but Neutron may miss the answer, too: 4 of 60 times when that was counted (finding 0002).
RENEWALS = 4
# Seconds for which OVN loses the port, so that each of its parts sees that: longer each time.
AWAY = 0.1
LONGER = 4

# The mechanism driver, as a port's binding names it.
OVN = "ovn"

# Told what was done to help: its name, and in words.
Note = Callable[[str, str], None]


class Settling:
    """A guest whose ports are on their way to be ACTIVE on the host of their ACTIVE bindings.

    ``devices`` are its ports with the names that their interfaces have in the guest. ``note`` is told of each help.
    """

    def __init__(
        self, neutron: Neutron, agents: Agents, guest_id: str, devices: Mapping[str, str], *, host: str, note: Note
    ) -> None:
        self._neutron = neutron
        self._agents = agents
        self._guest_id = guest_id
        self._devices = devices
        self._host = host
        self._note = note

    def settle(self, timeout: float, *, step: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        """Wait, ``timeout`` seconds at most, until Neutron calls the ports ACTIVE and is seen to have wired them.

        Neutron may call one ACTIVE from before the move. A port that is gone from the switch is plugged again. One that
        the agent skips is bound to its host once more (``PUT binding:host_id``), which changes nothing but tells the
        agent. Nova does that only where the host is wrong or the binding failed, so never after an activation. Of one
        that OVN has, OVN says once more that it is up; if even that is missed it is taken from OVN for a moment, which
        costs packets. Each look, with the help that follows it, is a ``step``, which may raise to give up. Raises
        TimedOut, PlugFailed, AgentDown, Refused, Unreachable.
        """
        deadline = time.monotonic() + timeout
        waiting = [_Waiting(self._neutron, self._agents, port_id, self._host, self._note) for port_id in self._devices]
        while waiting:
            for one in tuple(waiting):
                with step():
                    port, vif = self._look(one.port_id)
                    if one.is_well(port, vif):
                        waiting.remove(one)
                    elif time.monotonic() > deadline:
                        raise one.timed_out(port, timeout)
                    else:
                        one.help(port, vif)
            if waiting:
                time.sleep(PAUSE)

    def _look(self, port_id: str) -> tuple[Resource, Vif | None]:
        """Look at a port in Neutron and on its host; one that is gone from the switch is plugged again."""
        vif = self._agents.show(self._host, port_id)
        if vif is None or vif.problem:
            self._plug_again(port_id, vif)
            vif = self._agents.show(self._host, port_id)
        return self._neutron.port(port_id), vif

    def _plug_again(self, port_id: str, vif: Vif | None) -> None:
        """Make the interface anew, the guest having the state that it has, if it is there at all."""
        self._note("replug", f"plugging on {self._host} again: {vif.problem if vif else 'it was not plugged'}")
        state: GuestState | None = None
        with suppress(NotFound):
            state = self._agents.on(self._host).pause(self._guest_id)
        port = self._neutron.port(port_id)
        network = self._neutron.network(port["network_id"])
        subnets = self._neutron.subnets(network["id"])
        described = describe(port, network, subnets, vlans=tagged(self._neutron, port))
        self._agents.on(self._host).plug(named(described, self._devices[port_id]), asleep=True)
        self._agents.on(self._host).resume(self._guest_id, state)


class _Waiting:
    """One port that is waited for, and what was done for it until now."""

    def __init__(self, neutron: Neutron, agents: Agents, port_id: str, host: str, note: Note) -> None:
        self.port_id = port_id
        self._neutron = neutron
        self._agents = agents
        self._host = host
        self._note = note
        self._next_help = time.monotonic() + FIRST_PATIENCE
        self._away = AWAY
        self._renewals = RENEWALS
        self._wired = False

    def is_well(self, port: Resource, vif: Vif | None) -> bool:
        """Tell whether Neutron calls it ACTIVE and has wired it, as far as is seen."""
        self._wired = vif is None or vif.taken is not False
        return port["status"] == "ACTIVE" and self._wired

    def timed_out(self, port: Resource, timeout: float) -> TimedOut:
        """Say what was last seen of it."""
        return TimedOut(
            f"{words(self.port_id)} was not ACTIVE on {self._host} in {timeout:g} s; last seen:"
            f" {port['status']}{'' if self._wired else ', but not wired'}",
            hint=f"Neutron's agent on {self._host} did not wire it: look at its log.",
        )

    def help(self, port: Resource, vif: Vif | None) -> None:
        """Help, unless the last help may still show."""
        if time.monotonic() > self._next_help:
            patience = self._nudge(port, vif)
            self._next_help = time.monotonic() + patience

    def _nudge(self, port: Resource, vif: Vif | None) -> float:
        """Help; gives the seconds that this help may take to show."""
        if _is_of_ovn(port):
            if vif and vif.taken and self._renew():
                return FIRST_PATIENCE
            if vif and vif.taken:
                self._rewire()
            return PATIENCE
        self._note("nudge", f"binding to {self._host} once more: Neutron's agent there did not take the port")
        what = f"bind {words(self.port_id)} to {self._host} once more"
        self._neutron.update_port(self.port_id, what, binding_host_id=self._host)
        return PATIENCE

    def _renew(self) -> bool:
        if self._renewals and self._agents.on(self._host).renew(self.port_id):
            self._renewals -= 1
            self._note("nudge", f"OVN on {self._host} says once more that it is up: Neutron did not see it come up")
            return True
        return False

    def _rewire(self) -> None:
        self._note("nudge", f"taking it from OVN on {self._host} for {self._away:g} s: Neutron did not see it come up")
        self._agents.on(self._host).rewire(self.port_id, self._away)
        self._away *= LONGER


def _is_of_ovn(port: Resource) -> bool:
    return OVN in (port["binding:vif_details"].get("bound_drivers") or {}).values()
