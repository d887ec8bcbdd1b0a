"""The RPC server: takes calls off the broker, hands them to the manager, sends envelopes back."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import oslo_messaging
from pydantic import ValidationError

from fakevm import errors
from fakevm.model.guest import GuestState
from fakevm.model.port import Addressing, Port
from fakevm.probe import icmp
from fakevm.rpc import codec, contract

from .execution import Executions
from .manager import Manager

_log = logging.getLogger(__name__)

# Neutron's exchange: state reports must arrive there, and one transport has one exchange.
CONTROL_EXCHANGE = "neutron"
# Probes that follow one another faster than this (seconds) measure the prober.
_SHORTEST_INTERVAL = 0.0005


def _enveloped(method: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Answer with an envelope, whatever happens."""

    @functools.wraps(method)
    def answer(self: AgentEndpoint, context: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        try:
            return codec.pack_result(method(self, **arguments))
        except errors.FakevmError as exc:
            _log.warning("%s: %s", method.__name__, exc.what)
            return codec.pack_error(exc)
        except (ValidationError, TypeError):
            _log.exception("%s got arguments that do not fit", method.__name__)
            hint = "Do the agent and the command line have the same version?"
            return codec.pack_error(
                errors.InvalidInput(f"the agent does not understand what {method.__name__} is to do", hint=hint)
            )
        except Exception as exc:
            _log.exception("%s failed", method.__name__)
            what = f"{method.__name__} failed on the agent: {type(exc).__name__}: {exc}"
            return codec.pack_error(errors.FakevmError(what, hint="The agent's log has the traceback."))

    return answer


class AgentEndpoint:
    """AgentApi over the wire: arguments and results are JSON."""

    target = oslo_messaging.Target(version=contract.VERSION)

    def __init__(self, manager: Manager, executions: Executions) -> None:
        self._manager = manager
        self._executions = executions

    @_enveloped
    def plug(self, port: dict[str, Any], asleep: bool = False) -> Any:
        """See AgentApi."""
        return self._manager.plug(Port.model_validate(port), asleep).model_dump(mode="json")

    @_enveloped
    def address(self, port_id: str, mode: Addressing, timeout: float) -> Any:
        """See AgentApi."""
        return self._manager.address(port_id, mode, timeout).model_dump(mode="json")

    @_enveloped
    def read_state(self, port_id: str) -> Any:
        """See AgentApi."""
        return self._manager.read_state(port_id).model_dump(mode="json")

    @_enveloped
    def prime(self, port_id: str, state: dict[str, Any]) -> None:
        """See AgentApi."""
        self._manager.prime(port_id, GuestState.model_validate(state))

    @_enveloped
    def pause(self, port_id: str) -> Any:
        """See AgentApi."""
        return self._manager.pause(port_id).model_dump(mode="json")

    @_enveloped
    def resume(self, port_id: str, state: dict[str, Any] | None = None) -> Any:
        """See AgentApi."""
        brought = GuestState.model_validate(state) if state is not None else None
        return self._manager.resume(port_id, brought).model_dump(mode="json")

    @_enveloped
    def unplug(self, port_id: str) -> bool:
        """See AgentApi."""
        return self._manager.unplug(port_id)

    @_enveloped
    def renew(self, port_id: str) -> bool:
        """See AgentApi."""
        return self._manager.renew(port_id)

    @_enveloped
    def rewire(self, port_id: str, seconds: float) -> None:
        """See AgentApi."""
        self._manager.rewire(port_id, seconds)

    @_enveloped
    def list_vifs(self) -> Any:
        """See AgentApi."""
        return [vif.model_dump(mode="json") for vif in self._manager.list_vifs()]

    @_enveloped
    def show(self, port_id: str) -> Any:
        """See AgentApi."""
        return self._manager.show(port_id).model_dump(mode="json")

    @_enveloped
    def probe_start(self, port_id: str, address: str, interval: float, duration: float) -> str:
        """See AgentApi."""
        if interval < _SHORTEST_INTERVAL or duration <= 0:
            raise errors.InvalidInput(f"cannot probe every {interval} s for {duration} s")
        command = icmp.command(address, interval, duration)
        return self._executions.start(self._manager.command(port_id, command), duration + icmp.LATE + 1)

    @_enveloped
    def exec_start(self, port_id: str, command: list[str], timeout: float | None) -> str:
        """See AgentApi."""
        return self._executions.start(self._manager.command(port_id, command), timeout)

    @_enveloped
    def exec_io(self, exec_id: str, stdin: str, close_stdin: bool, wait: float) -> dict[str, object]:
        """See AgentApi."""
        return self._executions.io(exec_id, stdin, close_stdin, wait)

    @_enveloped
    def exec_signal(self, exec_id: str, signum: int) -> None:
        """See AgentApi."""
        self._executions.signal(exec_id, signum)


def make_server(transport: Any, host: str, endpoint: AgentEndpoint) -> Any:
    """Make the RPC server of a host: its own queue, and the fanout of all agents."""
    target = oslo_messaging.Target(topic=contract.TOPIC, server=host)
    return oslo_messaging.get_rpc_server(transport, target, [endpoint], executor="threading")
