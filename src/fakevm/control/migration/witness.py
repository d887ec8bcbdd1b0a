"""Another guest of the network, that probes the one that moves."""

from __future__ import annotations

import logging
import time
from ipaddress import ip_address, ip_interface

from fakevm.control.agents import Agents
from fakevm.control.known import words
from fakevm.control.neutron import Neutron, Resource
from fakevm.control.observer import Observer
from fakevm.errors import FakevmError, InvalidInput
from fakevm.model.migration import Outage, Probe
from fakevm.model.port import Vif
from fakevm.probe import outcome
from fakevm.waiting import remains

LOG = logging.getLogger(__name__)

# Seconds. The first answer of a guest that was never asked takes an ARP request and perhaps a flow that Neutron learns.
FIRST_ANSWER = 3.0
# How long it must have answered again before the probing ends, and how long that is waited for.
STEADY = 0.5
PATIENCE = 10.0


class Witness:
    """A guest that probes another by ICMP echo, all through its migration."""

    def __init__(self, agents: Agents, vif: Vif, address: str, interval: float) -> None:
        self._vif = vif
        self._address = address
        self._interval = interval
        self._observer = Observer(agents, vif.host, vif.instance_id, address, interval)

    def start(self) -> None:
        """Begin to probe; returns when the guest has answered, or after a while. Raises NotFound, AgentDown."""
        self._observer.start()
        if not self._answered_since(0.0, FIRST_ANSWER):
            LOG.warning(
                "%s gets no answer from %s even before the migration: do the security groups let ICMP in?",
                self._vif.title,
                self._address,
            )

    def stop(self, began: float, patience: float | None = None) -> tuple[tuple[Probe, ...], Outage | None]:
        """Wait, ``patience`` seconds at most (PATIENCE), until the guest answers steadily again, and end the probing.

        Probes are timed from ``began``.
        """
        patience = PATIENCE if patience is None else patience
        try:
            steady = self._answered_since(time.time() + STEADY, patience) or not patience
            probes = outcome.read(self._observer.stop(), began=began)
        except FakevmError as problem:
            LOG.warning("the outage was not measured: %s", problem.what)
            return (), None
        if not steady and any(probe.answers for probe in probes):
            LOG.warning("%s has had no answer from %s for %g s", self._vif.title, self._address, PATIENCE)
        return probes, outcome.outage(probes, observer=self._vif.title, interval=self._interval)

    def _answered_since(self, moment: float, timeout: float) -> bool:
        """Wait for an answer that came after ``moment`` (seconds since the epoch), ``timeout`` seconds at most."""

        def unanswered() -> str:
            return "" if outcome.last_answer(self._observer.lines()) > moment else "no answer"

        return not remains(unanswered, timeout, pause=0.05)


def find_witness(
    neutron: Neutron,
    agents: Agents,
    port: Resource,
    *,
    wanted: str | None,
    interval: float,
    last: tuple[str, ...] = (),
    never: tuple[str, ...] = (),
) -> Witness | None:
    """Choose who is to watch a port: the VIF ``wanted``, else any guest of its network that can; None when none can.

    Guests on the hosts of ``last`` come last, those on the hosts of ``never`` are not looked at. Raises InvalidInput
    when the one wanted cannot watch it.
    """
    targets = [fixed["ip_address"] for fixed in port["fixed_ips"]]
    if wanted:
        id_ = neutron.find_port(wanted)["id"]
        candidates = [vif for vif in _guests(agents) if vif.port_id == id_]
        if not candidates:
            raise InvalidInput(f"{words(id_)} cannot watch: it is plugged nowhere", hint="`fakevm list` shows who is.")
    else:
        candidates = [vif for vif in _guests(agents) if vif.network_id == port["network_id"] and vif.host not in never]
    fit = [vif for vif in candidates if vif.port_id != port["id"] and not vif.asleep and not vif.problem]
    for vif in sorted(fit, key=lambda vif: (vif.host in last, vif.host, vif.title)):
        for target in targets:
            if _same_family(vif, target):
                return Witness(agents, vif, target, interval)
    if wanted:
        raise InvalidInput(f"{wanted} cannot watch {words(port['id'])}: it has no address of the same kind")
    LOG.warning("nobody watches the outage: no other guest of the network has an address")
    return None


def _guests(agents: Agents) -> list[Vif]:
    answers = agents.ask_all(agents.alive(), agents.list_vifs)
    return [vif for answer in answers.values() if not isinstance(answer, FakevmError) for vif in answer]


def _same_family(vif: Vif, target: str) -> bool:
    version = ip_address(target).version
    # A link-local address reaches nobody but by naming a device.
    own = [ip_interface(address).ip for address in vif.addresses]
    return any(address.version == version and not address.is_link_local for address in own)
