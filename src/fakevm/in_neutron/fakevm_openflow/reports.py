"""What the controller says to Neutron, over RPC as Neutron's agents do: switches are alive, ports are wired or gone.

Neutron's rpc-server then takes a wired port to ACTIVE, or tells Nova of one that waits on the destination of a
migration (neutron.plugins.ml2.rpc, update_device_up).
"""

from __future__ import annotations

import datetime
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import oslo_messaging

from .agent import AGENT_BINARY, AGENT_TYPE
from .ledger import News
from .world import Switch

_log = logging.getLogger(__name__)

# neutron_lib.agent.topics: PLUGIN, REPORTS. The oldest versions that have the calls, so that every server knows them.
_DEVICES = oslo_messaging.Target(topic="q-plugin", version="1.5")
_STATES = oslo_messaging.Target(topic="q-reports-plugin", version="1.0")
_CONTEXT = {"is_admin": True}
# Seconds: for an answer, and until the next try.
_TIMEOUT = 20
_PAUSE = 1.0


class Reports:
    """Sends reports in order, each until Neutron has it; a thread of its own for either kind.

    :param conf: has the address of the broker (``transport_url``)
    :param switches: gives the switches that obey now, by host
    :param interval: seconds between two state reports of a switch
    """

    def __init__(self, conf: Any, switches: Callable[[], Mapping[str, Switch]], interval: float) -> None:
        # Neutron's own exchange (neutron.common.config); oslo's default is another.
        oslo_messaging.set_transport_defaults("neutron")
        transport = oslo_messaging.get_rpc_transport(conf)
        self._devices = oslo_messaging.get_rpc_client(transport, _DEVICES, timeout=_TIMEOUT, retry=1)
        self._states = oslo_messaging.get_rpc_client(transport, _STATES, timeout=_TIMEOUT, retry=1)
        self._switches = switches
        self._interval = interval
        self._waiting: queue.Queue[News] = queue.Queue()
        self._due: dict[str, float] = {}
        for work in (self._send_devices, self._send_states):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()

    def arrived(self, host: str) -> None:
        """Report a switch at once, and as one that has just started."""
        self._due.pop(host, None)

    def add(self, news: News) -> None:
        """Say what has become of a port, after all that was added before."""
        self._waiting.put(news)

    def _send_devices(self) -> None:
        while True:
            what, port_id, host = self._waiting.get()
            method = f"update_device_{what}"
            words = {"device": port_id, "agent_id": f"openflow-{host}", "host": host}
            _until_done(f"{method} of {port_id} on {host}", partial(self._devices.call, _CONTEXT, method, **words))
            _log.info("%s: port %s on %s", method, port_id, host)

    def _send_states(self) -> None:
        while True:
            switches = dict(self._switches())
            for host in set(self._due) - set(switches):
                self._due.pop(host, None)
            for switch in switches.values():
                if self._due.get(switch.host, 0.0) <= time.monotonic():
                    self._send_state(switch)
            time.sleep(0.1)

    def _send_state(self, switch: Switch) -> None:
        new = switch.host not in self._due
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        # The first is a call: it says whether there is a Neutron, and start_flag must not be lost.
        send = self._states.call if new else self._states.cast
        try:
            send(_CONTEXT, "report_state", agent_state={"agent_state": _state(switch, new=new)}, time=now)
        except oslo_messaging.MessagingException as exc:
            _log.warning("the state of %s's switch was not reported: %s", switch.host, exc)
            time.sleep(_PAUSE)
        else:
            self._due[switch.host] = time.monotonic() + self._interval


def _state(switch: Switch, *, new: bool) -> dict[str, Any]:
    state = {
        "agent_type": AGENT_TYPE,
        "binary": AGENT_BINARY,
        "host": switch.host,
        "topic": "N/A",
        "configurations": {"uplinks": switch.uplinks, "tunnel_address": switch.address},
        "uuid": str(uuid.uuid4()),
    }
    return {**state, "start_flag": True} if new else state


def _until_done(what: str, call: Callable[[], Any]) -> None:
    """Call until Neutron answers; what it refuses is said once, and given up: a port that is gone already, say."""
    while True:
        try:
            call()
        except oslo_messaging.RemoteError as exc:
            _log.error("Neutron refused %s: %s", what, exc)
            return
        except oslo_messaging.MessagingException as exc:
            _log.warning("%s: no answer of Neutron yet: %s", what, exc)
            time.sleep(_PAUSE)
        else:
            return
