"""``POST /servers/ID/action``: the actions, each by its word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import flask
from pydantic import Field

from fakevm.compute.model.server import ServerRecord
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.asking import Body, Name
from fakevm.compute.web.faults import Fault, bad, conflict
from fakevm.compute.work import addresses, moving, networks, power
from fakevm.compute.work.acting import Acting, Work
from fakevm.compute.work.home import at_home
from fakevm.compute.work.noting import note
from fakevm.control.agents import Agents
from fakevm.control.binding import hostname
from fakevm.errors import NotFound

from . import server_moves, server_view
from .finding import find, occupy
from .server_creation import check_user_data

# Of a console log the last so many bytes, as Nova's MAX_CONSOLE_BYTES.
_CONSOLE = 102_400


class Nothing(Body):
    """An action that is told nothing."""


class Reboot(Body):
    """How to reboot: a guest does not feel the difference."""

    type: str = Field(pattern="^(HARD|Hard|hard|SOFT|Soft|soft)$")


class Named(Body):
    """A security group."""

    name: str = Field(min_length=1)


class Console(Body):
    """How much of the console log: the last so many lines."""

    length: Annotated[int, Field(ge=-1)] | Annotated[str, Field(pattern="^(-1|[0-9]{0,9})$")] | None = None


class Rebuild(Body):
    """From which image, and what else is another then. Much of it is taken and means nothing to a guest."""

    imageRef: str
    name: Name | None = None
    description: str | None = None
    metadata: dict[str, str] | None = None
    key_name: str | None = None
    user_data: str | None = None
    hostname: str | None = None
    adminPass: str | None = None
    accessIPv4: str | None = None
    accessIPv6: str | None = None
    preserve_ephemeral: bool | None = None
    personality: tuple[dict[str, Any], ...] = ()
    diskConfig: str | None = Field(default=None, alias="OS-DCF:diskConfig")


class Lock(Body):
    """Why."""

    locked_reason: str | None = None


class Reset(Body):
    """To which state."""

    state: str = Field(pattern="^(active|error)$")


class Simple(NamedTuple):
    """An action that is one piece of work: in which states, shown how meanwhile, which work."""

    states: tuple[str, ...]
    task: str
    work: Callable[[Shelves], Work]
    body: type[Body] = Nothing
    named: str = ""


_SIMPLE: Mapping[str, Simple] = {
    "os-stop": Simple(("active", "error"), "powering-off", power.stop, named="stop"),
    "os-start": Simple(("stopped",), "powering-on", power.start, named="start"),
    "reboot": Simple(("active", "stopped", "paused", "suspended", "error"), "rebooting", power.reboot, Reboot),
    "pause": Simple(("active",), "pausing", lambda _: power.pause("paused")),
    "unpause": Simple(("paused",), "unpausing", lambda _: power.resume),
    "suspend": Simple(("active",), "suspending", lambda _: power.pause("suspended")),
    "resume": Simple(("suspended",), "resuming", lambda _: power.resume),
    "confirmResize": Simple(("resized",), "resize_confirming", moving.confirm),
    "revertResize": Simple(("resized",), "resize_reverting", moving.revert),
}


def make(shelves: Shelves) -> flask.Blueprint:
    """Make the request."""
    api = flask.Blueprint("server_actions", __name__, url_prefix="/compute/v2.1")
    actions = Actions(shelves)

    @api.post("/servers/<server_id>/action")
    def act(server_id: str) -> Any:
        given = asking.given()
        if not isinstance(given, dict) or len(given) != 1:
            raise bad("The server could not comply with the request: its body is one action and what that is told.")
        ((word, told),) = given.items()
        server = find(shelves, server_id, f"servers:{word}")
        return actions.do(server, word, {} if told is None else told)

    return api


class Actions:
    """The actions that there are; others are refused."""

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self._acting = Acting(shelves)
        self._others: Mapping[str, Callable[[ServerRecord, Any], Any]] = {
            **server_moves.actions(shelves, self._begin),
            "os-getConsoleOutput": self._console,
            "addSecurityGroup": self._add_group,
            "removeSecurityGroup": self._remove_group,
            "rebuild": self._rebuild,
            "lock": self._lock,
            "unlock": self._unlock,
            "os-resetState": self._reset,
        }

    def do(self, server: ServerRecord, word: str, told: Any) -> Any:
        """Do what an action's word says. Raises Fault."""
        if simple := _SIMPLE.get(word):
            asking.read(simple.body, told)
            self._begin(server, simple.named or word, simple.states, simple.task, simple.work(self._shelves))
            return "", 204 if word == "confirmResize" else 202
        other = self._others.get(word)
        if other is None:
            raise bad(f"There is no such action: {word}")
        return other(server, told)

    def _begin(
        self, server: ServerRecord, named: str, states: tuple[str, ...], task: str, work: Work, *, fatal: bool = False
    ) -> None:
        """Begin an action, if the server may have it. Raises Fault."""
        occupied = occupy(self._shelves, server, named, states, task)
        noted = note(self._shelves, occupied, named, asking.noted())
        self._acting.begin(occupied, noted, work, fatal=fatal)

    # -- those that do more ----------------------------------------------------------------------------------

    def _console(self, server: ServerRecord, told: Any) -> dict[str, Any]:
        asked = asking.read(Console, told)
        try:
            with self._shelves.reach.agents() as agents:
                text = self._said(agents, server)
        except NotFound as exc:
            raise conflict(f"Instance {server.id} is not ready") from exc
        length = None if asked.length in (None, "", -1, "-1") else int(asked.length or 0)
        lines = text.splitlines(keepends=True)
        return {"output": "".join(lines if length is None else lines[max(0, len(lines) - length) :])}

    def _said(self, agents: Agents, server: ServerRecord) -> str:
        try:
            return agents.on(server.host).console_log(server.id, _CONSOLE)
        except NotFound:
            if server.task_state:
                # What is being made, or moves, is not waited for.
                raise
        with self._shelves.locks[server.id]:
            return agents.on(at_home(self._shelves, agents, server).host).console_log(server.id, _CONSOLE)

    def _add_group(self, server: ServerRecord, told: Any) -> tuple[str, int]:
        return self._regroup(server, told, add=True)

    def _remove_group(self, server: ServerRecord, told: Any) -> tuple[str, int]:
        return self._regroup(server, told, add=False)

    def _regroup(self, server: ServerRecord, told: Any, *, add: bool) -> tuple[str, int]:
        name = asking.read(Named, told).name
        user = self._shelves.reach.neutron_as(asking.requester().token)
        try:
            (group,) = networks.security_groups(user, server.project_id, [name])
        except Fault as fault:
            raise Fault(404, fault.message) from fault
        neutron = self._shelves.reach.neutron
        what = f"change the security groups of server {server.id}"
        for port in neutron.ports_of(server.id):
            groups = [known for known in port["security_groups"] if known != group] + [group] * add
            if set(groups) != set(port["security_groups"]):
                neutron.update_port(port["id"], what, security_groups=groups)
        return "", 202

    def _rebuild(self, server: ServerRecord, told: Any) -> Any:
        asked = asking.read(Rebuild, told)
        check_user_data(asked.user_data)
        image = asked.imageRef.rpartition("/")[2]
        if image not in self._shelves.reach.images():
            raise bad(f"Image {image} could not be found.")
        words: dict[str, Any] = {
            "name": asked.name,
            "description": asked.description,
            "metadata": asked.metadata,
            "user_data": asked.user_data,
            "hostname": hostname(asked.hostname) if asked.hostname else None,
            "access_ipv4": asked.accessIPv4,
            "access_ipv6": asked.accessIPv6,
        }
        changes = {"image": image, **{name: value for name, value in words.items() if value is not None}}
        if asked.key_name:
            keypair = self._shelves.keypairs.get(f"{server.user_id}/{asked.key_name}")
            if keypair is None:
                raise bad("Invalid key_name provided.")
            changes |= {"key_name": keypair.name, "public_key": keypair.public_key}
        work = power.rebuild(self._shelves, changes)
        self._begin(server, "rebuild", ("active", "stopped", "error"), "rebuilding", work, fatal=True)
        shown = self._shelves.servers.get(server.id) or server
        seen = addresses.of(self._shelves.reach.neutron, [server.id]).get(server.id, addresses.NOTHING)
        password = {"adminPass": asked.adminPass or "none"}
        return {"server": {**server_view.changed(shown, seen, rebuilt=True), **password}}, 202

    def _lock(self, server: ServerRecord, told: Any) -> tuple[str, int]:
        reason = asking.read(Lock, told).locked_reason or ""
        self._shelves.servers.change(server.id, lambda known: known.model_copy(update={"locked": reason}))
        return "", 202

    def _unlock(self, server: ServerRecord, _told: Any) -> tuple[str, int]:
        self._shelves.servers.change(server.id, lambda known: known.model_copy(update={"locked": None}))
        return "", 202

    def _reset(self, server: ServerRecord, told: Any) -> tuple[str, int]:
        asking.require("os-admin-actions:reset_state", "admin")
        state = asking.read(Reset, told).state
        changes = {"vm_state": state, "task_state": None}
        self._shelves.servers.change(server.id, lambda known: known.model_copy(update=changes))
        return "", 202
