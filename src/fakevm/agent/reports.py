"""State reports, so that Neutron lists this agent and knows whether it is alive."""

from __future__ import annotations

import datetime
import importlib.metadata
import logging
import threading
import uuid
from collections.abc import Callable
from typing import Any

import oslo_messaging

from fakevm.rpc import contract

_log = logging.getLogger(__name__)

# neutron.agent.rpc.PluginReportStateAPI and neutron_lib.agent.topics.REPORTS
_TOPIC = "q-reports-plugin"
# The oldest that has report_state, so that servers of all releases know it (2025.1 has 1.3, 2026.1 has 1.4).
_VERSION = "1.0"
# After a report that failed the next one comes this soon (seconds): who has a broker again must not look dead.
_RETRY = 2.0


class StateReporter:
    """Tells Neutron every ``interval`` seconds that this agent lives.

    :param guests: counts the guests
    """

    def __init__(self, transport: Any, host: str, driver: str, interval: float, guests: Callable[[], int]) -> None:
        target = oslo_messaging.Target(topic=_TOPIC, version=_VERSION)
        self._client = oslo_messaging.get_rpc_client(transport, target, timeout=interval, retry=1)
        self._host = host
        self._driver = driver
        self._interval = interval
        self._guests = guests
        self._started = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def stop(self) -> None:
        """Report no more."""
        self._end.set()

    def _run(self) -> None:
        wait = 0.0
        failing = False
        while not self._end.wait(wait):
            try:
                self._report()
            except Exception as exc:
                # whatever it is (broker gone, out of memory…), the next try comes
                _log.log(logging.DEBUG if failing else logging.ERROR, "cannot report to Neutron: %s", exc)
                wait, failing = min(_RETRY, self._interval), True
            else:
                if failing:
                    _log.info("reporting to Neutron again")
                wait, failing = self._interval, False

    def _report(self) -> None:
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        # the first is a call: it says whether there is a Neutron, and start_flag must not be lost
        send = self._client.cast if self._started else self._client.call
        send({"is_admin": True}, "report_state", agent_state={"agent_state": self._state()}, time=now)
        self._started = True

    def _state(self) -> dict[str, Any]:
        state = {
            "agent_type": contract.AGENT_TYPE,
            "binary": contract.AGENT_BINARY,
            "host": self._host,
            "topic": contract.TOPIC,
            "configurations": {
                "driver": self._driver,
                "guests": self._guests(),
                "rpc_version": contract.VERSION,
                "version": importlib.metadata.version("fakevm"),
            },
            "uuid": str(uuid.uuid4()),
        }
        return state if self._started else {**state, "start_flag": True}
