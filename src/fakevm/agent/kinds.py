"""The kinds of guests of one host, each made when the first guest of it is."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from fakevm.guest.base import Kind
from fakevm.model.guest import Guest

from . import plugin


class Kinds:
    """Gives each guest of a host its kind.

    :param host: this host's name in Neutron
    :param folder: where kinds may keep what outlives their guests
    :param made: kinds that are there already, by name
    """

    def __init__(self, host: str, folder: Path, made: Mapping[str, Kind] = {}) -> None:
        self._host = host
        self._folder = folder
        self._made = dict(made)
        self._lock = threading.Lock()

    def of(self, guest: Guest) -> Kind:
        """Give a guest's kind. Raises InvalidInput: no package that is installed here brings it."""
        with self._lock:
            if guest.kind not in self._made:
                self._made[guest.kind] = cast(
                    Kind, plugin.find(guest.kind, plugin.GUEST_KINDS)(self._host, self._folder)
                )
            return self._made[guest.kind]

    def close(self) -> None:
        """Let go of what kinds keep for guests to come; those that are there stay."""
        with self._lock:
            for kind in self._made.values():
                kind.close()
