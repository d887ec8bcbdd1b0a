"""What makes a guest a server, as a cloud's images do it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from .value import Value

DEFAULT_USER = "cloud"
# As useradd(8) wants it, which is what sudo and sshd were seen to take.
_User = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]


class Server(Value):
    """A guest that boots as a server of a cloud does: ``user`` logs in by ssh with the keys of the metadata.

    As one word: the user.
    """

    user: _User = Field(default=DEFAULT_USER, description="Who logs in with the keys, and may do all by `sudo`.")

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, given: Any) -> Any:
        return {"user": given} if isinstance(given, str) else given
