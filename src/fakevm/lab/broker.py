"""The lab's RabbitMQ: one node, listening in the lab only."""

from __future__ import annotations

import secrets
from pathlib import Path

from fakevm.model.plan import LabPlan
from fakevm.model.program import MANY_FILES, Program

from . import erlang, files, readiness
from .doors import Doors
from .part import Part, Run

PORT = 5672
HOME = "/run/fakevm/broker"
NODE = "rabbit@localhost"

# haproxy takes over a listening socket by its descriptor, which socat 1.7 and RabbitMQ itself cannot.
RELAY = f"""\
global
    maxconn 500
    nbthread 1
defaults
    mode tcp
    # So long it waits before it tries again a node that does not listen yet, else a second (haproxy 2.6, retries).
    timeout connect 300ms
    retries 15
    # AMQP has heartbeats of its own.
    timeout client 1d
    timeout server 1d
listen broker
    bind fd@4
    server broker 127.0.0.1:{PORT}
"""

# Since 4.0 there is a mechanism ANONYMOUS, too, which lets everybody in as the user guest, where there is one.
# The machine's own limit of what must be left of a disk is for its own services: a lab is small and short.
SETTINGS = """\
[{rabbit, [
    {loopback_users, []},
    {auth_mechanisms, ['PLAIN', 'AMQPLAIN']},
    {default_user, <<"fakevm">>},
    {default_pass, <<"%s">>},
    {log, [{console, [{enabled, true}, {level, warning}]}, {file, [{file, false}]}]},
    {disk_free_limit, 50000000}
]}].
"""


def write(plan: LabPlan, directory: Path) -> None:
    """Write the node's configuration; its one user may come from other addresses than loopback."""
    files.write(directory / "broker/rabbitmq.config", SETTINGS % plan.broker_password)
    files.write(directory / "broker/enabled_plugins", "[].\n")
    files.write(directory / "broker/relay.cfg", RELAY)
    # Without it Erlang would make one that can be guessed.
    files.write(directory / "broker/.erlang.cookie", secrets.token_hex(20))


def programs() -> tuple[Program, ...]:
    """The node, and a relay from the machine's loopback (the inherited descriptor 4) to it."""
    installed = erlang.find()
    environment = {
        "HOME": HOME,
        "RABBITMQ_NODENAME": NODE,
        "RABBITMQ_NODE_IP_ADDRESS": "0.0.0.0",
        "RABBITMQ_NODE_PORT": str(PORT),
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{HOME}/enabled_plugins",
        "RABBITMQ_MNESIA_BASE": "/run/rabbitmq",
        "RABBITMQ_LOG_BASE": f"{HOME}/log",
        "RABBITMQ_PID_FILE": f"{HOME}/pid",
        "LANG": "C.UTF-8",
        **erlang.environment(installed),
    }
    command = erlang.command(installed, NODE, f"{HOME}/rabbitmq")
    node = Program(name="broker", before=(MANY_FILES,), command=command, environment=environment, held=False)
    relay = Program(
        name="broker-relay",
        command=("haproxy", "-db", "-f", f"{HOME}/relay.cfg"),
        descriptors=(4,),
        held=False,
    )
    return node, relay


class Broker(Part):
    """It starts with the sandbox."""

    name = "broker"
    program_names = ("broker", "broker-relay")
    title = "broker"
    door = "broker"

    def write(self) -> None:
        """See Part."""
        write(self.plan, self.plan.directory)

    def programs(self) -> tuple[Program, ...]:
        """See Part."""
        return programs()

    def recorded(self, ports: Doors) -> dict[str, str]:
        """See Part."""
        return {"transport_url": f"rabbit://fakevm:{self.plan.broker_password}@127.0.0.1:{ports.broker}/"}

    def wait(self, run: Run) -> None:
        """See Part."""
        readiness.wait_broker(run.record, run.timeout)
