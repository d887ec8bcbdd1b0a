"""Brings a lab up and down."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from pathlib import Path

from fakevm import release
from fakevm.backend import base as backends
from fakevm.backend.base import Backend
from fakevm.errors import Conflict, FakevmError, LabFailed, NotFound, Prerequisite
from fakevm.linux import supervision
from fakevm.model.lab import HostRecord, LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.plan import LabPlan
from fakevm.model.program import Program

from . import broker, database, datapath, files, host, neutron, planning, readiness, registry, sandbox, template
from .progress import Progress


def up(lab: LabFile, progress: Progress, *, api_port: int = 0, timeout: float = 180.0) -> LabRecord:
    """Start a lab and wait, ``timeout`` seconds at most for each step, until all its agents are alive.

    When it fails its processes are ended and its folder is kept for its logs; when it is interrupted
    (KeyboardInterrupt) nothing is kept. Raises Conflict, Prerequisite, LabFailed, TimedOut.
    """
    directory = registry.root() / lab.name
    backend = backends.load(lab.backend)
    _refuse_second(lab.name, directory)
    check_room(directory)
    with progress.step("prerequisites"):
        venv = release.path(lab.release)
        kernel = datapath.choose(lab.datapath)
    listeners = _listen(api_port)
    try:
        plan = planning.make_plan(lab, directory, venv, kernel_datapath=kernel)
        record = _record(plan, listeners)
        with progress.step("configuration"):
            _write(plan, record, backend)
        with progress.step("sandbox"):
            sandbox.start(directory, lab.name, listeners)
            pid = sandbox.wait_ready(directory, time.monotonic() + timeout)
            record = _save(record, pid=pid)
        _start_services(plan, record, progress, timeout)
        _start_agents(plan, record, backend, progress, timeout)
        return _save(record, state="up")
    except FakevmError as exc:
        _stop_failed(directory, record)
        raise type(exc)(exc.what, hint=exc.hint or f"The logs are in {directory}/log and {directory}/hosts/*/log.") from exc
    except OSError as exc:
        _stop_failed(directory, record)
        raise LabFailed(f"lab {lab.name!r} did not come up: {exc}") from exc
    except BaseException:
        remove(directory)
        raise
    finally:
        for listener in listeners:
            listener.close()


def down(name: str) -> None:
    """End a lab, whatever its state, and remove its folder. Raises NotFound, TimedOut, LabFailed."""
    if name not in registry.names():
        raise NotFound(f"there is no lab {name!r}", hint=registry.known())
    remove(registry.root() / name)


def remove(directory: Path) -> None:
    """End what runs in a lab's folder, then remove the folder."""
    sandbox.stop(directory)
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise LabFailed(f"the folder {directory} could not be removed: {exc}") from exc


def _refuse_second(name: str, directory: Path) -> None:
    pid = sandbox.pid_of(directory)
    if pid and sandbox.runs(directory, pid):
        raise Conflict(
            f"lab {name!r} runs already",
            hint=f"Use it, or end it: fakevm lab down {name}; or give this one another name: --name NAME",
        )
    # What is left of a lab that failed or was killed.
    if directory.exists():
        remove(directory)


def _listen(api_port: int) -> tuple[socket.socket, socket.socket]:
    """Open the lab's two doors on the machine's loopback: Neutron's API and the broker."""
    doors = []
    for port in (api_port, 0):
        door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("127.0.0.1", port))
        except OSError as exc:
            raise Conflict(
                f"port {port} of 127.0.0.1 cannot be used for Neutron's API: {exc.strerror}",
                hint="Choose another one with --api-port, or leave it out.",
            ) from exc
        door.listen(128)
        doors.append(door)
    return doors[0], doors[1]


def _record(plan: LabPlan, listeners: tuple[socket.socket, socket.socket]) -> LabRecord:
    api, amqp = (listener.getsockname()[1] for listener in listeners)
    return LabRecord(
        name=plan.name,
        directory=plan.directory,
        state="starting",
        pid=0,
        endpoint=f"http://127.0.0.1:{api}",
        transport_url=f"rabbit://fakevm:{plan.broker_password}@127.0.0.1:{amqp}/",
        release=plan.release,
        backend=plan.backend,
        datapath="kernel" if plan.kernel_datapath else "userspace",
        hosts=tuple(
            HostRecord(
                name=h.name,
                roles=h.roles,
                management_address=h.management_address,
                tunnel_address=h.tunnel_address,
            )
            for h in plan.hosts
        ),
    )


def _save(record: LabRecord, **changes: object) -> LabRecord:
    record = record.model_copy(update=changes)
    registry.save(record)
    return record


def _lab_programs(plan: LabPlan) -> tuple[Program, ...]:
    hosts = tuple(host.service(h) for h in plan.hosts)
    return (*database.programs(), *broker.programs(), *neutron.programs(plan), *hosts)


def _write(plan: LabPlan, record: LabRecord, backend: Backend) -> None:
    directory = plan.directory
    directory.mkdir(parents=True, mode=0o700)
    for name in ("log", "service", "private", "hosts"):
        (directory / name).mkdir()
    registry.save(record)
    files.write(directory / "bridges.batch", _bridges(plan))
    addresses = ((h.management_address, h.name) for h in plan.hosts)
    files.write(directory / "hosts.txt", "".join(f"{address} {name}\n" for address, name in addresses))
    broker.write(plan, directory)
    database.write(plan, directory)
    neutron.write(plan, backend, directory)
    for h in plan.hosts:
        host.write(plan, h, backend, directory)
    for program in _lab_programs(plan):
        supervision.write(directory / "service", program, f"/run/fakevm/log/{program.name}.log")


def _bridges(plan: LabPlan) -> str:
    """Give the ``ip`` commands that make the lab's bridges."""
    bridges = ["br-mgmt", "br-underlay", *host.physical_bridges(plan)]
    lines = [f"link add {name} type bridge\nlink set {name} up\n" for name in bridges]
    return "".join(lines) + f"addr add {plan.management_address}/16 dev br-mgmt\n"


def _start_services(plan: LabPlan, record: LabRecord, progress: Progress, timeout: float) -> None:
    services = plan.directory / "service"
    with progress.step("database"):
        template.prepare(plan, record, timeout)
    # The server imports for seconds: time that the broker needs too.
    supervision.start(services, "neutron-api", "neutron-rpc-server")
    with progress.step("broker"):
        readiness.wait_broker(record, timeout)
    with progress.step("Neutron's server"):
        readiness.wait_api(record, timeout)
        readiness.wait_rpc(record, timeout)
    supervision.start(services, "neutron-periodic-workers")


def _start_agents(plan: LabPlan, record: LabRecord, backend: Backend, progress: Progress, timeout: float) -> None:
    with progress.step("agents"):
        expected = set()
        for h in plan.hosts:
            held = [program.name for program in host.programs(plan, h, backend) if program.held]
            supervision.start(record.host_directory(h.name) / "service", *held)
            expected |= {(h.name, binary) for binary in host.agents(plan, h, backend)}
        readiness.wait_agents(record, expected, timeout, progress)


def _stop_failed(directory: Path, record: LabRecord) -> None:
    sandbox.stop(directory)
    with contextlib.suppress(OSError):
        registry.save(record.model_copy(update={"state": "failed"}))


def check_room(directory: Path, needed: int = 500 * 2**20) -> None:
    """Refuse to start a lab where there is no room for it; ``needed`` is in bytes. Raises Prerequisite."""
    existing = next(parent for parent in (directory, *directory.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise Prerequisite(
            f"{existing} has {free // 2**20} MB free; a lab needs {needed // 2**20} MB",
            hint="Free some room, or set FAKEVM_LABS to another folder.",
        )
