"""What people call the guests of which events speak: names that only Neutron and the lab file know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fakevm import names
from fakevm.cli.session import open_session
from fakevm.errors import FakevmError
from fakevm.lab import registry
from fakevm.model.event import Event
from fakevm.model.identity import called

_FIELDS = ("id", "name", "device_id")


class Titles:
    """Names guests as far as that is known: events can also be read where there is neither Neutron nor a lab.

    Neutron is asked again when an event comes of a port that nobody knew.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._of_port: dict[str, set[str]] = {}
        self._titles: dict[str, str] = {}
        self._of_server: dict[str, str] = {}
        self._unknown: set[str] = set()

    def learn(self, events: Iterable[Event]) -> None:
        """Find out about the guests of events that have not been seen yet."""
        tags = {event.tag for event in events} - self._titles.keys() - self._unknown
        if not tags:
            return
        try:
            with open_session(self._app) as session:
                for port in session.neutron.ports(fields=_FIELDS):
                    self._titles[port["id"]] = called(port["name"], port["device_id"])
                    self._of_port[port["id"]] = {port["name"], port["device_id"]}
                if lab := session.access.lab:
                    guests = registry.lab_file(lab).guests
                    self._of_server = {names.instance_id(lab.name, guest): guest for guest in guests}
        except FakevmError:
            pass  # the events are shown all the same
        self._unknown |= tags - self._titles.keys()

    def of(self, event: Event) -> str:
        """Name the guest of an event; of a port that is gone, what the lab file calls its server."""
        known = self._titles.get(event.tag) or self._of_server.get(event.server_uuid)
        return known or called("", event.server_uuid)

    def meant(self, words: str, events: Iterable[Event]) -> list[Event]:
        """Choose the events of a guest: by name, else by the beginning of its port's id; all of them for no words."""
        page = list(events)
        named = [
            event
            for event in page
            if words and words in {self.of(event), event.server_uuid, *self._of_port.get(event.tag, ())}
        ]
        return named or [event for event in page if event.tag.startswith(words.lower())]
