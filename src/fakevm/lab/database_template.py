"""The database of a lab, ready to use: copied from a template, or made and kept as one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from fakevm import release
from fakevm.backend.base import LAST_TUNNEL
from fakevm.errors import CommandFailed, TimedOut
from fakevm.linux import process, supervision
from fakevm.model.lab import LabRecord
from fakevm.model.plan import LabPlan
from fakevm.model.program import Program
from fakevm.model.verdict import verdict
from fakevm.release import cache

from . import database, keystone, neutron, readiness, sandbox
from .part import Part, Run

NAME = "database"
# Seconds for one statement; for all tables, on a slow machine.
_STATEMENT, _MAKING = 120.0, 900.0
# Neutron's server would fill in these when it comes up, each of its processes for itself and waiting for the others
# (29.0.0, _sync_allocations of ML2's type_tunnel): half a second and more, with both cores idle.
_FILLED = "; ".join(
    f"INSERT IGNORE INTO ml2_{kind}_allocations ({kind}_vni, allocated) SELECT seq, 0 FROM seq_1_to_{LAST_TUNNEL}"
    for kind in ("vxlan", "geneve")
)


def prepare(plan: LabPlan, record: LabRecord, timeout: float) -> None:
    """Bring the database up with Neutron's schema in it. Raises CommandFailed, TimedOut."""
    data = plan.directory / "database/data"
    ready = _find(*_template(plan))
    if ready:
        _copy(ready, data)
    else:
        run(record, database.install_command(), "making the database")
    _start(plan, record, timeout)
    if not ready:
        run(record, neutron.migrate_command(plan.venv), "making Neutron's schema")
        _fill(plan, record)
        if plan.identity:
            run(record, keystone.migrate_command(plan.identity), "making Keystone's schema")
        _keep(plan, record, data, timeout)


def run(record: LabRecord, command: list[str], doing: str) -> None:
    """Run a command that makes or changes the database; its log has what it says. Raises CommandFailed, TimedOut."""
    done = _done([*sandbox.enter_lab(record), *command], doing, _MAKING)
    log, said = record.directory / "log/database.log", done.stdout + done.stderr
    with log.open("a") as file:
        file.write(said)
    if done.returncode:
        raise CommandFailed(f"{doing} failed: {verdict(said) or said.strip()[-800:]}", hint=f"See {log}.")


def _template(plan: LabPlan) -> tuple[str, str]:
    """Name the environment that a lab's template is kept with, and the template: other tables make another one."""
    brought = release.migrations(plan.release)
    kind = f"{_versioned()}-{keystone.NAME}" if plan.identity else _versioned()
    if brought is None:
        return release.base(plan.release), kind
    return plan.release, f"{kind}-{brought}"


def _versioned() -> str:
    """Name a template after the server that made it: another one may not read its files. Its tunnels are filled in."""
    # It is in /usr/sbin, which is not in an ordinary user's PATH.
    server = shutil.which("mariadbd", path=sandbox.PATH) or "mariadbd"
    done = subprocess.run([server, "--version"], capture_output=True, text=True, check=True)
    return f"{NAME}-{done.stdout.split()[2]}-filled"


def _find(environment: str, template: str) -> Path | None:
    places = (cache.home(environment, place) / template for place in cache.search())
    return next((place for place in places if os.access(place / "neutron", os.R_OK)), None)


def _start(plan: LabPlan, record: LabRecord, timeout: float) -> None:
    supervision.start(plan.directory / "service", NAME)

    def check() -> str:
        if not (plan.directory / "database/mysql.sock").exists():
            return "no socket yet"
        done = _query(plan, record, "SELECT 1")
        return done.stderr.strip() if done.returncode else ""

    readiness.wait(record, check, "the database", timeout)


def _fill(plan: LabPlan, record: LabRecord) -> None:
    done = _query(plan, record, _FILLED)
    if done.returncode:
        raise CommandFailed(f"filling in Neutron's tunnels failed: {done.stderr.strip()}")


def _query(plan: LabPlan, record: LabRecord, statement: str) -> subprocess.CompletedProcess[str]:
    client = [*sandbox.enter_lab(record), "mariadb", "--no-defaults", f"--socket={database.SOCKET}"]
    client += [f"--user={database.USER}", f"--execute={statement}", "neutron"]
    # Arguments can be read by every user of the machine, an environment only by its owner.
    environment = {**os.environ, "MYSQL_PWD": plan.database_password}
    return _done(client, "asking the database", _STATEMENT, env=environment)


def _done(command: list[str], doing: str, timeout: float, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is. Raises TimedOut."""
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, **options}
    try:
        return subprocess.run(command, check=False, timeout=timeout, **options)
    except subprocess.TimeoutExpired as exc:
        raise TimedOut(f"{doing} did not end within {timeout:.0f} s", hint="The database's log may say why.") from exc


def _copy(source: Path, target: Path) -> None:
    """Copy a data folder, also one behind a link; most of it is zeros, which need no room. Raises CommandFailed."""
    process.run(["cp", "-r", "-H", "--sparse=always", str(source), str(target)], timeout=120)


def _keep(plan: LabPlan, record: LabRecord, data: Path, timeout: float) -> None:
    """Keep a copy for later labs; a cache that cannot be written to is no reason to fail."""
    services = plan.directory / "service"
    supervision.stop(services, NAME)
    readiness.wait(
        record,
        lambda: "it still runs" if supervision.status(services, NAME)[NAME].running else "",
        "the database's end",
        timeout,
    )
    environment, template = _template(plan)
    target = cache.home(environment) / template
    with contextlib.suppress(OSError, CommandFailed):
        target.parent.mkdir(parents=True, exist_ok=True)
        if environment == plan.release != release.base(environment):
            # A tree's migrations were others: nobody comes back to them.
            for old in target.parent.glob(f"{NAME}-*"):
                shutil.rmtree(old, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            _copy(data, Path(scratch) / NAME)
            # It holds no secret: every lab makes its own user anew. So other users may share it.
            for path in (Path(scratch) / NAME, *(Path(scratch) / NAME).rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
            (Path(scratch) / NAME).rename(target)
    _start(plan, record, timeout)


class Database(Part):
    """The database: what is waited for is that it has Neutron's schema."""

    name = "database"
    program_names = ("database",)
    title = "database"

    def write(self) -> None:
        """See Part."""
        database.write(self.plan, self.plan.directory)

    def programs(self) -> tuple[Program, ...]:
        """See Part."""
        return database.programs()

    def begin(self, run: Run) -> None:
        """See Part: it can only be started when its files are there."""

    def wait(self, run: Run) -> None:
        """See Part."""
        prepare(self.plan, run.record, run.timeout)
