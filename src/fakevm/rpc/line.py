"""What may befall a call on its way to an agent, whatever carries it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class NoAnswer(Exception):
    """Nobody answered; the text says why: what the agent "does", or "did not"."""


class OtherVersion(Exception):
    """The agent speaks another version of the contract; ``about`` is what it says of itself, as Neutron has it."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        super().__init__("the agent speaks another version")
        self.about = about
