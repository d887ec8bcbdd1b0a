"""Guests on hosts that could not be asked when their servers left or were deleted."""

from __future__ import annotations

from fakevm.model.value import Value


class Leftover(Value):
    """A guest that is to go when its host is back."""

    host: str
    guest: str

    @property
    def id(self) -> str:
        """What it is kept by."""
        return f"{self.host}/{self.guest}"
