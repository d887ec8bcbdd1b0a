"""Waits until the parts of a lab serve, and says what was last seen when they do not."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import amqp

from fakevm.control import credentials, sockets
from fakevm.control.transport import fetch
from fakevm.errors import LabFailed
from fakevm.linux import supervision
from fakevm.model.lab import LabRecord
from fakevm.waiting import until

from . import logs, sandbox

# neutron_lib.agent.topics.REPORTS
_REPORTS = "q-reports-plugin"

# One death may be a matter of order (a database that is not there yet); a program that dies again and again is broken.
DEATHS_ALLOWED = 2


def wait(record: LabRecord, check: Callable[[], str], what: str, timeout: float, pause: float = 0.1) -> None:
    """Call ``check`` until it returns "", for ``timeout`` seconds; else it returns what it saw.

    Raises TimedOut; LabFailed at once when the lab ends, its disk is full or a program of it dies again and again.
    """
    before = deaths(record)
    until(check, f"{what} did not serve", timeout, pause=pause, require=lambda: look_for_faults(record, what, before))


def deaths(record: LabRecord) -> dict[str, int]:
    """Count how often each program of a lab (``neutron-api``, ``compute1/ovs-vswitchd``) has died."""
    return {
        f"{place}/{name}".removeprefix("/"): count
        for place, directory in record.services().items()
        for name, count in supervision.deaths(directory).items()
    }


def look_for_faults(record: LabRecord, what: str, before: Mapping[str, int]) -> None:
    """Raise LabFailed, with the last words, when the lab has ended or cannot come up any more.

    ``before`` are the ``deaths`` until the wait began.
    """
    if not sandbox.runs(record.directory, record.pid):
        raise LabFailed(f"the lab's processes ended while we waited for {what}")
    if shutil.disk_usage(record.directory).free < sandbox.ROOM_NEEDED:
        # Programs say so in their own ways, or just hang.
        raise LabFailed(f"no space left in {record.directory} while we waited for {what}")
    for program, now in deaths(record).items():
        if (count := now - before.get(program, 0)) > DEATHS_ALLOWED:
            said = logs.last_words(record, program) or "nothing"
            raise LabFailed(
                f"{program} died {count} times while we waited for {what}; it said last:\n{said}",
                hint=f"See: fakevm --lab {record.name} lab logs {program}",
            )


def broker(record: LabRecord) -> str:
    """Say why RabbitMQ does not let us in with the lab's user; empty when it does."""
    try:
        _connect(record).close()
    except (OSError, amqp.AMQPError) as exc:
        return str(exc)
    return ""


def rpc(record: LabRecord) -> str:
    """Say why nobody consumes what agents send to Neutron; empty when somebody does.

    Their reports come last: q-plugin has its consumer before (29.0.0, Ml2Plugin.start_rpc_listeners), if it has one.
    """
    try:
        with _connect(record) as connection:
            queue = connection.channel().queue_declare(_REPORTS, passive=True)
    except (OSError, amqp.AMQPError) as exc:
        return str(exc)
    return "" if queue.consumer_count else f"nobody consumes {_REPORTS}"


def api(record: LabRecord) -> str:
    """Say why Neutron's API does not answer; empty when it does."""
    try:
        get(record, "/")
    except (OSError, http.client.HTTPException) as exc:
        return str(exc)
    return ""


def keystone(record: LabRecord) -> str:
    """Say why Keystone does not answer; empty when it does."""
    try:
        fetch(record.identity, timeout=10)
    except (http.client.HTTPException, OSError) as exc:
        return f"GET {record.identity}: {exc}"
    return ""


def database(record: LabRecord) -> str:
    """Say why Neutron's API does not answer what is in its database; empty when it does."""
    try:
        agents(record)
    except (OSError, http.client.HTTPException) as exc:
        return str(exc)
    return ""


#: how programs of the lab are seen to serve, where there is such a sign
SIGNS: Mapping[str, Callable[[LabRecord], str]] = {
    "database": database,
    "broker": broker,
    "broker-relay": broker,
    "keystone": keystone,
    "neutron-api": api,
    "neutron-rpc-server": rpc,
}


def wait_broker(record: LabRecord, timeout: float) -> None:
    """Wait until RabbitMQ lets us in with the lab's user."""
    wait(record, lambda: broker(record), "the broker", timeout, pause=0.2)


def wait_rpc(record: LabRecord, timeout: float) -> None:
    """Wait until somebody consumes what agents send to Neutron: what they ask before that is lost for a minute."""
    wait(record, lambda: rpc(record), "neutron-rpc-server", timeout)


def wait_api(record: LabRecord, timeout: float) -> None:
    """Wait until Neutron's API answers."""
    wait(record, lambda: api(record), "Neutron's API", timeout)


def _connect(record: LabRecord) -> amqp.Connection:
    url = urlsplit(record.transport_url)
    connection = amqp.Connection(
        f"{url.hostname}:{url.port}", userid=url.username, password=url.password, connect_timeout=5, read_timeout=5
    )
    connection.connect()
    return connection


def agents(record: LabRecord, *fields: str, host: str = "") -> list[dict[str, object]]:
    """Ask Neutron for its agents, of all hosts or one; of each these ``fields`` only, where not all are wanted.

    Without a Neutron FakeVM's own, which are all, are asked themselves.
    """
    if not record.neutron:
        return sockets.agents(record, *([host] if host else ()))
    query = "&".join([*(f"fields={field}" for field in fields), *([f"host={host}"] if host else [])])
    found: list[dict[str, object]] = get(record, f"/v2.0/agents?{query}".removesuffix("?"))["agents"]
    return found


def get(record: LabRecord, path: str) -> dict[str, list[dict[str, object]]]:
    """GET a path of Neutron's API; no SDK, which takes longer to load than this to wait."""
    try:
        content = fetch(record.endpoint + path, credentials.headers(record), timeout=10)
        body: dict[str, list[dict[str, object]]] = json.loads(content)
        return body
    except (OSError, http.client.HTTPException, ValueError) as exc:  # also half an answer
        raise OSError(f"GET {record.endpoint}{path}: {exc}") from exc
