"""The lab's MariaDB, and the migrated template that saves every later lab the migration."""

from __future__ import annotations

from pathlib import Path

from fakevm.model.plan import IdentityPlan, LabPlan
from fakevm.model.program import Program

from . import files

HOME = "/run/fakevm/database"
SOCKET = f"{HOME}/mysql.sock"
USER = "neutron"
KEYSTONE = "keystone"


def url(plan: LabPlan) -> str:
    """Where Neutron finds its database: a Unix socket in the lab, no port at all.

    PyMySQL is what OpenStack took for the sake of eventlet, which a driver in C would block. Where there is no eventlet
    any more, mysqlclient answers a request to Neutron in four fifths of the time (ADR 0027).
    """
    driver = "mysqldb" if plan.threaded else "pymysql"
    password = plan.database_password
    return f"mysql+{driver}://{USER}:{password}@localhost/neutron?unix_socket={SOCKET}&charset=utf8mb4"


def keystone_url(plan: IdentityPlan) -> str:
    """Where Keystone finds its own, in the same server."""
    place = f"localhost/{KEYSTONE}?unix_socket={SOCKET}&charset=utf8mb4"
    return f"mysql+pymysql://{KEYSTONE}:{plan.database_password}@{place}"


def write(plan: LabPlan, directory: Path) -> None:
    """Write the statements that the server runs at every start: databases, their users, this lab's passwords."""
    statements = _own(USER, plan.database_password)
    if plan.identity:
        statements += _own(KEYSTONE, plan.identity.database_password)
    files.write(directory / "database/init.sql", statements)


def _own(name: str, password: str) -> str:
    """Give the statements that make a database, and a user of the same name for it."""
    return (
        f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4;\n"
        f"CREATE OR REPLACE USER '{name}'@'localhost' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL ON {name}.* TO '{name}'@'localhost';\n"
    )


def programs() -> tuple[Program, ...]:
    """The server: durable enough for a lab, small, and reachable by its socket only."""
    options = (
        "--no-defaults",
        "--user=root",
        f"--datadir={HOME}/data",
        f"--socket={SOCKET}",
        f"--pid-file={HOME}/pid",
        f"--init-file={HOME}/init.sql",
        "--skip-networking",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=16M",
        "--innodb-log-buffer-size=2M",
        # Caches of engines in which Neutron has no table: MariaDB writes all over them as it starts.
        "--key-buffer-size=64K",
        "--aria-pagecache-buffer-size=2M",
        "--performance-schema=off",
        "--skip-log-bin",
        "--max-connections=500",
    )
    return (Program(name="database", command=("mariadbd", *options)),)


def install_command() -> list[str]:
    """The command that makes an empty data folder, to be run in the lab."""
    return [
        "mariadb-install-db",
        "--no-defaults",
        "--user=root",
        f"--datadir={HOME}/data",
        "--auth-root-authentication-method=socket",
        "--skip-test-db",
        "--innodb-log-file-size=16M",
    ]
