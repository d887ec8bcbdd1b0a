"""The RPC server: takes calls off the broker, hands them on, sends envelopes back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import oslo_messaging

from fakevm.rpc import contract

from .answering import Answering, Manages
from .reports import StateReporter

# Neutron's exchange: state reports must arrive there, and one transport has one exchange.
CONTROL_EXCHANGE = "neutron"
# Calls served at once, each by a thread that is made when it is needed: a guest that waits for its address holds one,
# and what ends that wait (unplug) must find another. oslo.messaging's own 64 are fewer than a host may have guests.
_CALLS = 512


class AgentEndpoint:
    """The contract's verbs, as oslo.messaging calls them; ``manager`` and ``commands`` carry them out."""

    target = oslo_messaging.Target(version=contract.VERSION)

    def __init__(self, manager: Manages, commands: contract.CommandVerbs) -> None:
        answering = Answering(manager, commands)
        for name in answering.verbs:
            setattr(self, name, functools.partial(_answer, answering, name))


def _answer(answering: Answering, name: str, context: dict[str, Any], /, **arguments: Any) -> dict[str, Any]:
    return answering(name, arguments)


class OverBroker:
    """Serves this host's calls at the broker, and reports to Neutron.

    :param guests: counts the guests
    """

    def __init__(self, conf: Any, endpoint: AgentEndpoint, guests: Callable[[], int]) -> None:
        options = conf.fakevm
        oslo_messaging.set_transport_defaults(control_exchange=CONTROL_EXCHANGE)
        transport = oslo_messaging.get_rpc_transport(conf)
        self._server = make_server(transport, options.host, endpoint)
        self._reporter = StateReporter(
            transport, options.host, options.fakevm_agent_plugin, options.report_interval, guests
        )

    def start(self) -> None:
        """Serve and report; waits for the broker as long as it takes."""
        self._server.start(override_pool_size=_CALLS)
        self._reporter.start()

    def stop(self) -> None:
        """Report no more, and serve no more."""
        self._reporter.stop()
        self._server.stop()


def make_server(transport: Any, host: str, endpoint: AgentEndpoint) -> Any:
    """Make the RPC server of a host: its own queue, and the fanout of all agents."""
    target = oslo_messaging.Target(topic=contract.TOPIC, server=host)
    return oslo_messaging.get_rpc_server(transport, target, [endpoint], executor="threading")
