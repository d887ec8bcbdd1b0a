"""Virtual machines that wait for the memory of another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .machine import Card

if TYPE_CHECKING:
    from fakevm.model.interface import Interface


class Asleep:
    """A machine that waits for the memory of another, and what it needs to begin anew without that.

    Its taps are kept open: they outlive its QEMU then.
    """

    def __init__(self, interfaces: Sequence[Interface], cards: Sequence[Card]) -> None:
        self.interfaces: list[Interface] = []
        self.cards: list[Card] = []
        self.comes = False
        for interface, card in zip(interfaces, cards, strict=True):
            self.add(interface, card)

    def add(self, interface: Interface, card: Card) -> None:
        """Take note of an interface more."""
        self.interfaces.append(interface)
        self.cards.append(card._replace(descriptor=os.dup(card.descriptor)))

    def close(self) -> None:
        """Let the taps go."""
        for card in self.cards:
            os.close(card.descriptor)
        self.cards = []
