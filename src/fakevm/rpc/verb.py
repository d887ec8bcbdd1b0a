"""The contract's verbs, derived from its annotations: what is sent, what comes back, how long that may take."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast, get_type_hints

from pydantic import TypeAdapter

from fakevm.rpc.contract import AgentApi

# Sends a verb with its arguments, as JSON, and gives the answer.
Send = Callable[["Verb", dict[str, Any]], Any]


class Verb:
    """A method of AgentApi, as both sides need it."""

    def __init__(self, name: str) -> None:
        declared = getattr(AgentApi, name)
        hints = get_type_hints(declared)
        self.name = name
        self._signature = inspect.signature(declared)
        self._seconds, self._beside = declared.takes
        self._answer: TypeAdapter[Any] = TypeAdapter(hints.pop("return"))
        self._arguments: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(hint) for name, hint in hints.items()}

    def pack(self, *values: Any, **named: Any) -> dict[str, Any]:
        """Make JSON of arguments, those that were left out with their defaults."""
        bound = self._signature.bind(None, *values, **named)
        bound.apply_defaults()
        return {name: kind.dump_python(bound.arguments[name], mode="json") for name, kind in self._arguments.items()}

    def seconds(self, arguments: Mapping[str, Any]) -> float:
        """Say how long the answer may take."""
        return float(self._seconds + arguments.get(self._beside, 0))

    def open(self, answer: Any) -> Any:
        """Make a value of the JSON that came back."""
        return self._answer.validate_python(answer)

    def carry_out(self, agent: object, arguments: Mapping[str, Any]) -> Any:
        """Have an agent do it; gives its answer as JSON. Raises TypeError, ValueError when the arguments do not fit."""
        if unknown := set(arguments) - set(self._arguments):
            raise TypeError(f"{self.name} has no argument {', '.join(sorted(unknown))}")
        given = {name: self._arguments[name].validate_python(value) for name, value in arguments.items()}
        return self._answer.dump_python(getattr(agent, self.name)(**given), mode="json")


@functools.cache
def verb(name: str) -> Verb:
    """Give a verb by its name. Raises AttributeError when there is none."""
    return Verb(name)


def names(api: type) -> list[str]:
    """List the verbs of a contract, or of a part of it."""
    return [name for name in dir(api) if hasattr(getattr(api, name), "takes")]


class _Remote:
    """Sends whatever verb is called."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def __getattr__(self, name: str) -> Callable[..., Any]:
        called = verb(name)
        return lambda *values, **named: called.open(self._send(called, called.pack(*values, **named)))


def remote(send: Send) -> AgentApi:
    """Give an agent that is elsewhere."""
    return cast(AgentApi, _Remote(send))
