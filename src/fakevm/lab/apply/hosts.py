"""Hosts that come to a lab that runs, and hosts that leave it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from urllib.parse import urlsplit

from fakevm.backend import base as backends
from fakevm.control.neutron import Neutron
from fakevm.errors import InvalidInput
from fakevm.lab import ending, fault, host, planning, registry, releases, sandbox, warm, waves
from fakevm.lab.outside import ROLE
from fakevm.linux import process, supervision
from fakevm.model.lab import HostRecord, LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.plan import LabPlan
from fakevm.progress import Progress

# What Neutron has put on agents of such hosts does not go elsewhere by itself at once.
_STAYING = ("dhcp", "l3", "gateway")


def refuse_leaving(lab: LabFile, leaving: Collection[str]) -> None:
    """Raise InvalidInput when a host that is to leave serves networks or routers."""
    for name in leaving:
        serving = [role for role in lab.hosts[name].roles if role in _STAYING]
        if serving:
            raise InvalidInput(
                f"host {name!r} cannot leave a lab that runs: its role {serving[0]} serves others",
                hint="End the lab, and start it from the new file.",
            )


def add(record: LabRecord, lab: LabFile, names: Collection[str], progress: Progress, timeout: float) -> LabRecord:
    """Start hosts of the new file; gives the new record when Neutron sees their agents (``timeout``, in seconds).

    Raises InvalidInput, LabFailed, TimedOut.
    """
    if not names:
        return record
    plan = _plan(record, lab, progress)
    backend = backends.load(plan.backend)
    backend.check(plan)
    made = [h for h in plan.hosts if h.name in names]
    new = [host.record(plan, h, backend) for h in made]
    for turn, h in enumerate(made):
        host.write(plan, h, backend, record.directory)
        service = host.service(h, held=turn >= waves.at_once())
        supervision.write(record.directory / "service", service, f"/run/fakevm/log/{h.name}.log")
    warm.write(plan, (program for h in made for program in host.programs(plan, h, backend)), record.directory)
    process.run([*sandbox.enter_lab(record), "sh", "-c", "cat >>/etc/hosts"], stdin="".join(map(_hosts_line, new)))
    record = registry.change(record, lambda now: _with_hosts(now, new))
    with progress.step(f"hosts {waves.named([h.name for h in made])}"):
        supervision.rescan(record.directory / "service")
        waves.bring_up(record, [host.coming(plan, h, backend) for h in made], timeout, progress)
    return record


def remove(record: LabRecord, neutron: Neutron, names: Iterable[str], progress: Progress) -> LabRecord:
    """End hosts whose guests are gone, and remove all that is known of them; gives the new record."""
    for name in names:
        with progress.step(f"host {name} leaves"):
            fault.stop(record, name)
            supervision.remove(record.directory / "service", name)
            ending.erase(record.host_directory(name))
            for agent in neutron.agents(host=name) if neutron.there else ():
                neutron.send("DELETE", f"/agents/{agent['id']}", f"forget {agent['binary']} on {name}")
        record = registry.change(record, partial(_without_host, name=name))
    return record


def _plan(record: LabRecord, lab: LabFile, progress: Progress) -> LabPlan:
    """Plan the lab anew with the addresses and the secrets that it has; new hosts get numbers that nobody has."""
    venvs = {one.name: releases.make(one, progress) for one in releases.environments(lab).values()}
    kernel = record.datapath == "kernel"
    plan = planning.make_plan(lab, record.directory, venvs, kernel_datapath=kernel)
    taken = {h.name: planning.number_of(h.management_address) for h in record.hosts if h.roles != (ROLE,)}
    free = max(taken.values(), default=0) + 1
    hosts = []
    for h in plan.hosts:
        index = taken.get(h.name, free)
        free = max(free, index + 1)
        hosts.append(h.model_copy(update=planning.addresses(index)))
    secrets = _secrets(record) if record.neutron else {}
    return plan.model_copy(update={"hosts": tuple(hosts), "warm": warm.has(record.directory), **secrets})


def _secrets(record: LabRecord) -> dict[str, str]:
    """Find what hosts must know to talk to the lab's other programs."""
    return {
        "broker_password": str(urlsplit(record.transport_url).password),
        "metadata_secret": (record.directory / "metadata/secret").read_text(),
    }


def _hosts_line(h: HostRecord) -> str:
    return f"{h.management_address} {h.name}\n"


def _with_hosts(record: LabRecord, new: Iterable[HostRecord]) -> LabRecord:
    """Add hosts to a record, before the world outside."""
    inside = tuple(h for h in record.hosts if h.roles != (ROLE,))
    return record._replace(hosts=(*inside, *new, *record.hosts[len(inside) :]))


def _without_host(record: LabRecord, name: str) -> LabRecord:
    return record._replace(hosts=tuple(h for h in record.hosts if h.name != name))
