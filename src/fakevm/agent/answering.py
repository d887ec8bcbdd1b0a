"""Answers calls, however they came here: by the broker, or by a socket."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from pydantic import ValidationError

from fakevm import errors
from fakevm.rpc import codec, contract
from fakevm.rpc.verb import names, verb

_log = logging.getLogger(__name__)


class Manages(contract.GuestVerbs, contract.PortVerbs, Protocol):
    """Who carries out the verbs about guests and ports."""


class Answering:
    """The contract's verbs; ``manager`` and ``commands`` carry them out."""

    def __init__(self, manager: Manages, commands: contract.CommandVerbs) -> None:
        parts: tuple[tuple[type, object], ...] = (
            (contract.GuestVerbs, manager),
            (contract.PortVerbs, manager),
            (contract.CommandVerbs, commands),
        )
        self._agents: dict[str, object] = {name: agent for part, agent in parts for name in names(part)}

    @property
    def verbs(self) -> Iterable[str]:
        """Name what can be asked for."""
        return self._agents

    def __call__(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer with an envelope, whatever happens."""
        try:
            return codec.pack_result(verb(name).carry_out(self._agents[name], arguments))
        except errors.FakevmError as exc:
            _log.warning("%s: %s", name, exc.what)
            return codec.pack_error(exc)
        except (ValidationError, TypeError):
            _log.exception("%s got arguments that do not fit", name)
            hint = "Do the agent and the command line have the same version?"
            what = f"the agent does not understand what {name} is to do"
            return codec.pack_error(errors.InvalidInput(what, hint=hint))
        except Exception as exc:
            _log.exception("%s failed", name)
            what = f"{name} failed on the agent: {type(exc).__name__}: {exc}"
            return codec.pack_error(errors.FakevmError(what, hint="The agent's log has the traceback."))
