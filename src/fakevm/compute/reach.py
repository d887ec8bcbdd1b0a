"""How the service reaches the lab: its record and its file, Neutron, the agents of its hosts, Neutron's events."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fakevm.control import neutron
from fakevm.control.access import Access
from fakevm.control.agents import Agents
from fakevm.control.credentials import headers
from fakevm.control.expectation import Events
from fakevm.control.neutron import Neutron
from fakevm.control.transport import Direct
from fakevm.errors import Unreachable
from fakevm.lab import images, registry
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile

from .model.image import Image
from .model.image import images as images_of


class Reach:
    """The lab, from within it: ``folder`` is the lab's, ``told`` what the lab has written for us."""

    def __init__(self, folder: Path, told: Mapping[str, Any]) -> None:
        self.folder = folder
        self._transport_url = told["transport_url"]
        self.events = Events(told["events_endpoint"])
        self._lock = threading.Lock()
        self._shared: Agents | None = None
        # Those who work over a connection: the last one closes it when it is not the shared one any more.
        self._users: Counter[Agents] = Counter()

    def record(self) -> LabRecord:
        """Read the lab's record as it is now: hosts come and go."""
        record = registry.load(self.folder)
        return record._replace(directory=self.folder, transport_url=self._transport_url)

    def lab_file(self) -> LabFile:
        """Read what the lab is to be. Raises LabFailed: it is not up yet."""
        return registry.lab_file(self.record())

    def images(self) -> dict[str, Image]:
        """Give the images by their ids: of the lab's file those that are there as folders."""
        lab = self.lab_file()
        return {i.id: i for i in images_of(lab).values() if not i.of or Path(images.seen_as(lab, i.of)).is_dir()}

    def path_of(self, image: Image) -> str:
        """Say where hosts find an image; empty: the machine's own programs."""
        return images.seen_as(self.lab_file(), image.of)

    @property
    def neutron(self) -> Neutron:
        """Neutron, asked with FakeVM's own token: as Nova asks it."""
        return neutron.connect(Access.of(self.record()))

    def neutron_as(self, token: str) -> Neutron:
        """Neutron, asked as a user: it shows what the user may see."""
        return Neutron(Direct(self.record().endpoint, {**headers(self.record()), "X-Auth-Token": token}))

    @contextmanager
    def agents(self) -> Iterator[Agents]:
        """Give the hosts' agents for one piece of work, all of them over one connection.

        After one of no use the next opens another; it is closed when nobody works over it any more.
        """
        with self._lock:
            if self._shared is None:
                access = Access.of(self.record())
                self._shared = Agents(access, neutron.connect(access))
            shared = self._shared
            self._users[shared] += 1
        try:
            yield shared.sibling()
        except Unreachable:
            with self._lock:
                if self._shared is shared:
                    self._shared = None
            raise
        finally:
            self._leave(shared)

    def _leave(self, shared: Agents) -> None:
        with self._lock:
            self._users[shared] -= 1
            if self._users[shared] or self._shared is shared:
                return
            del self._users[shared]
        shared.close()

    def compute_hosts(self) -> list[str]:
        """Name the hosts that servers are for."""
        return [host.name for host in self.record().hosts if "compute" in host.roles]


def told(folder: Path) -> dict[str, Any]:
    """Read what the lab has written for us."""
    found: dict[str, Any] = json.loads((folder / "compute/settings.json").read_text())
    return found
