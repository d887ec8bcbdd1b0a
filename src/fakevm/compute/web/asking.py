"""Who asks, and for what: of the request that is answered just now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import flask
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from .faults import Fault, bad
from .microversion import FIRST, Microversion

_Body = TypeVar("_Body", bound="Body")


class Body(BaseModel):
    """What a request says; words that are not known are refused, as by Nova."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _printable(word: str) -> str:
    if not word.isprintable():
        raise ValueError("It has characters that cannot be printed")
    return word


#: what users call things: terminals show it as it is
Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]


@dataclass(frozen=True)
class Requester:
    """A user of Keystone's, in a project."""

    user_id: str
    project_id: str
    roles: frozenset[str]
    token: str

    @property
    def is_admin(self) -> bool:
        """Whether it may see and do all."""
        return "admin" in self.roles

    def sees(self, project_id: str) -> bool:
        """Tell whether what is of a project is to be seen."""
        return self.is_admin or self.project_id == project_id


def of(environ: Mapping[str, str]) -> Requester | None:
    """Read what keystonemiddleware has found out; None: nobody that is known."""
    if environ.get("HTTP_X_IDENTITY_STATUS") != "Confirmed" or not environ.get("HTTP_X_PROJECT_ID"):
        return None
    return Requester(
        user_id=environ["HTTP_X_USER_ID"],
        project_id=environ["HTTP_X_PROJECT_ID"],
        roles=frozenset(filter(None, environ.get("HTTP_X_ROLES", "").split(","))),
        token=environ["HTTP_X_AUTH_TOKEN"],
    )


def requester() -> Requester:
    """Give who asks."""
    found: Requester = flask.g.requester
    return found


def noted() -> tuple[str, str, str]:
    """Give what is written down of who asks for something: the request's id, the user's and the project's."""
    asker = requester()
    return flask.g.request_id, asker.user_id, asker.project_id


def version() -> Microversion:
    """Give the microversion that is asked for."""
    return getattr(flask.g, "version", None) or FIRST


def since(minor: int) -> bool:
    """Tell whether version 2.``minor`` or a later one is asked for."""
    return version() >= (2, minor)


def require(rule: str, role: str = "member") -> Requester:
    """Make sure that who asks has a role; give who it is. Raises Fault in Nova's words: ``rule`` is Nova's name."""
    found = requester()
    if not found.is_admin and role not in found.roles:
        raise Fault(403, f"Policy doesn't allow os_compute_api:{rule} to be performed.")
    return found


def root() -> str:
    """Give the URL under which this API was asked, for links."""
    return flask.request.url_root.rstrip("/") + "/compute/v2.1"


def bookmark() -> str:
    """Give the URL of links that have no version."""
    return flask.request.url_root.rstrip("/") + "/compute"


def links(collection: str, thing: str) -> list[dict[str, str]]:
    """Give the links of a thing."""
    return [
        {"rel": "self", "href": f"{root()}/{collection}/{thing}"},
        {"rel": "bookmark", "href": f"{bookmark()}/{collection}/{thing}"},
    ]


def body(kind: type[_Body]) -> _Body:
    """Read the request's JSON. Raises Fault that says what of it is wrong."""
    found = given()
    if found is None and flask.request.get_data():
        raise bad("The server could not comply with the request since it is either malformed or otherwise incorrect.")
    return read(kind, found)


def given() -> Any:
    """Read the request's JSON as it is; None: it is none."""
    try:
        return flask.request.get_json(force=True, silent=True)
    except RecursionError:
        # Lists in lists in lists…
        return None


def read(kind: type[_Body], found: object) -> _Body:
    """Read a part of a request. Raises Fault that says what of it is wrong."""
    try:
        return kind.model_validate(found)
    except ValidationError as exc:
        raise bad(_words(exc)) from exc


def flag(name: str) -> bool:
    """Read a query's yes or no. Raises Fault."""
    word = flask.request.args.get(name, "")
    if word.lower() in ("1", "t", "true", "on", "y", "yes"):
        return True
    if word.lower() in ("", "0", "f", "false", "off", "n", "no"):
        return False
    raise bad(f"Invalid input for query parameters {name}. Value: {word}. {word!r} is not a boolean")


def whole(name: str, default: int) -> int:
    """Read a query's number. Raises Fault."""
    word = flask.request.args.get(name, "")
    if not re.fullmatch("[0-9]{0,18}", word):
        raise bad(f"Invalid input for query parameters {name}. Value: {word}. {word!r} does not match '^[0-9]*$'")
    return int(word) if word else default


def _words(exc: ValidationError) -> str:
    first = exc.errors(include_url=False)[0]
    at = ".".join(map(str, first["loc"])) or "body"
    if first["type"] == "missing":
        return f"Invalid input for field/attribute {at}. {first['loc'][-1]!r} is a required property"
    if first["type"] == "extra_forbidden":
        unexpected = f"({first['loc'][-1]!r} was unexpected)"
        return f"Invalid input for field/attribute {at}. Additional properties are not allowed {unexpected}"
    return f"Invalid input for field/attribute {at}. Value: {str(first['input'])[:200]}. {first['msg']}"
