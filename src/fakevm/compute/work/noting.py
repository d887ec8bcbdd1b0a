"""What is done to servers is written down: Nova's instance actions."""

from __future__ import annotations

from fakevm.compute.model.action import Action
from fakevm.compute.model.server import ServerRecord, now
from fakevm.compute.shelves import Shelves


def note(shelves: Shelves, server: ServerRecord, action: str, asked: tuple[str, str, str]) -> Action:
    """Write down that something is begun: ``asked`` are the request's id, the user's and the project's."""
    request_id, user_id, project_id = asked
    noted = Action(
        request_id=request_id,
        server=server.id,
        action=action,
        user_id=user_id,
        project_id=project_id,
        began=now(),
        host=server.host,
    )
    shelves.actions.put(noted.id, noted)
    return noted


def end(shelves: Shelves, noted: Action, problem: Exception | None = None) -> None:
    """Write down how it ended."""
    told = {"ended": now(), "result": "Error" if problem else "Success", "details": str(problem or "")}
    shelves.actions.change(noted.id, lambda known: known.model_copy(update=told))


def forget(shelves: Shelves, server_id: str) -> None:
    """Forget what was done to a server that is gone."""
    for known in shelves.actions.all():
        if known.server == server_id:
            shelves.actions.delete(known.id)
