"""What was done to a server: Nova's instance actions."""

from __future__ import annotations

from fakevm.model.value import Value


class Action(Value):
    """One of them; ``result`` is empty while it is under way."""

    request_id: str
    server: str
    action: str
    user_id: str
    project_id: str
    began: str
    ended: str = ""
    result: str = ""
    details: str = ""
    host: str = ""

    @property
    def id(self) -> str:
        """What it is kept by."""
        return f"{self.server}/{self.request_id}"
