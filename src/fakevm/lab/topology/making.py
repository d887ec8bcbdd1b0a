"""Makes what a lab file wants in a lab that runs: Neutron's resources, then the guests, then what runs in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fakevm.control import neutron as neutrons
from fakevm.control.access import Access
from fakevm.control.agents import Agents
from fakevm.control.events import Events
from fakevm.control.neutron import Neutron
from fakevm.lab import metadata, readiness
from fakevm.lab.progress import Progress
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile

from . import guests, running, trunking
from .boot import Boot
from .description import stages
from .resource import Ref, Resource
from .store import Store

# Requests to Neutron at once; its server has few processes.
PARALLEL = 4

Item = TypeVar("Item")


def make(lab: LabFile, record: LabRecord, progress: Progress, timeout: float) -> None:
    """Make all of a lab's topology that is not there yet; ``timeout`` (seconds) is for each wait.

    Raises Refused, BindingFailed, PlugFailed, CommandFailed, TimedOut: what was made until then is there.
    """
    if not (lab.networks or lab.security_groups or lab.qos_policies or lab.routers):
        return
    access = Access(lab=record, endpoint=record.endpoint, transport_url=record.transport_url)
    neutron = neutrons.connect(access)
    agents = Agents(access, neutron)
    try:
        store = Store(neutron)
        store.load()
        for stage in stages(lab):
            with progress.step(stage.title):
                make_stage(store, stage.resources)
        metadata.write_guests(record.directory, lab.name, lab.guests)
        boot = Boot(lab, store, neutron, agents, events=Events(record.events_endpoint), timeout=timeout)
        if lab.guests:
            with progress.step("guests"):
                boot.start(lab.guests)
            for name, guest in lab.guests.items():
                if problem := trunking.give_devices(
                    record, name, guest, host=boot.host_of(name), store=store, neutron=neutron
                ):
                    progress.note(problem)
        if lab.floating_ips:
            ids = [store.ids[Ref("floating IP", name)] for name in lab.floating_ips]
            with progress.step("floating IPs in routers"):
                wait_floating_ips(record, neutron, ids, timeout)
    finally:
        agents.close()
    if any(guest.run for guest in lab.guests.values()):
        with progress.step("commands in guests"):
            for name, guest in lab.guests.items():
                port = store.ids[Ref("port", guests.port_name(name, 0))]
                running.run(record, boot.host_of(name), port, name, guest.run)


def make_stage(store: Store, resources: Sequence[Resource]) -> int:
    """Make resources that do not need one another; returns how many were not there.

    Interfaces of one router are made one after the other: Neutron refuses changes of a router at the same time.
    """
    rows: dict[Ref, list[Resource]] = {}
    for resource in resources:
        row = resource.parent if resource.parent and resource.ref.kind == "router interface" else resource.ref
        rows.setdefault(row, []).append(resource)
    return sum(all_at_once(lambda row: sum(store.make(resource) for resource in row), list(rows.values())))


def all_at_once(work: Callable[[Item], int], items: Iterable[Item]) -> list[int]:
    """Do something with many items, some at once; the first failure is raised after all have ended."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        return [future.result() for future in [pool.submit(work, item) for item in items]]


def wait_floating_ips(record: LabRecord, neutron: Neutron, ids: Sequence[str], timeout: float) -> None:
    """Wait until the routers' agents have made the floating IPs. Raises TimedOut."""

    def check() -> str:
        found = neutron.collection("/floatingips", "look at the floating IPs", id=list(ids))
        return ", ".join(f"{ip['floating_ip_address']} is {ip['status']}" for ip in found if ip["status"] != "ACTIVE")

    readiness.wait(record, check, "the floating IPs", timeout, pause=0.3)
