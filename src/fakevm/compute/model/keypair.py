"""Keypairs: of users, with the public half alone."""

from __future__ import annotations

from fakevm.model.value import Value


class Keypair(Value):
    """A public key of a user's, by a name."""

    name: str
    user_id: str
    public_key: str
    fingerprint: str
    type: str = "ssh"
    created: str
    number: int

    @property
    def id(self) -> str:
        """What it is kept by: names are each user's own."""
        return f"{self.user_id}/{self.name}"
