"""The RPC server: takes calls off the broker, hands them on, sends envelopes back."""

from __future__ import annotations

import functools
import logging
from typing import Any, Protocol

import oslo_messaging
from pydantic import ValidationError

from fakevm import errors
from fakevm.rpc import codec, contract
from fakevm.rpc.verb import names, verb

_log = logging.getLogger(__name__)

# Neutron's exchange: state reports must arrive there, and one transport has one exchange.
CONTROL_EXCHANGE = "neutron"


class Manages(contract.GuestVerbs, contract.PortVerbs, Protocol):
    """Who carries out the verbs about guests and ports."""


class AgentEndpoint:
    """The contract's verbs, as oslo.messaging calls them; ``manager`` and ``commands`` carry them out."""

    target = oslo_messaging.Target(version=contract.VERSION)

    def __init__(self, manager: Manages, commands: contract.CommandVerbs) -> None:
        for part, agent in (
            (contract.GuestVerbs, manager),
            (contract.PortVerbs, manager),
            (contract.CommandVerbs, commands),
        ):
            for name in names(part):
                setattr(self, name, functools.partial(_answer, name, agent))


def _answer(name: str, agent: object, context: dict[str, Any], /, **arguments: Any) -> dict[str, Any]:
    """Answer with an envelope, whatever happens."""
    try:
        return codec.pack_result(verb(name).carry_out(agent, arguments))
    except errors.FakevmError as exc:
        _log.warning("%s: %s", name, exc.what)
        return codec.pack_error(exc)
    except (ValidationError, TypeError):
        _log.exception("%s got arguments that do not fit", name)
        hint = "Do the agent and the command line have the same version?"
        return codec.pack_error(errors.InvalidInput(f"the agent does not understand what {name} is to do", hint=hint))
    except Exception as exc:
        _log.exception("%s failed", name)
        what = f"{name} failed on the agent: {type(exc).__name__}: {exc}"
        return codec.pack_error(errors.FakevmError(what, hint="The agent's log has the traceback."))


def make_server(transport: Any, host: str, endpoint: AgentEndpoint) -> Any:
    """Make the RPC server of a host: its own queue, and the fanout of all agents."""
    target = oslo_messaging.Target(topic=contract.TOPIC, server=host)
    return oslo_messaging.get_rpc_server(transport, target, [endpoint], executor="threading")
