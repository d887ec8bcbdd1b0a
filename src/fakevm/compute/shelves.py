"""All that the service keeps, and through which it works."""

from __future__ import annotations

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .model.action import Action
from .model.group import Group
from .model.keypair import Keypair
from .model.leftover import Leftover
from .model.migration import MigrationRecord
from .model.server import ServerRecord
from .model.service import ServiceRecord
from .reach import Reach
from .store import Shelf, Store

# Servers that are worked on at once: more would only wait for one another in Neutron's few processes.
_AT_ONCE = 16


class Shelves:
    """What there is. ``locks`` are held by who works on a server; ``pool`` does what nobody waits for.

    Deletions do not wait for what is being built: ``endings`` does them.
    """

    def __init__(self, reach: Reach, path: Path) -> None:
        store = Store(path)
        self.reach = reach
        self.servers = Shelf(store, ServerRecord)
        self.keypairs = Shelf(store, Keypair)
        self.groups = Shelf(store, Group)
        self.services = Shelf(store, ServiceRecord)
        self.actions = Shelf(store, Action)
        self.migrations = Shelf(store, MigrationRecord)
        self.leftovers = Shelf(store, Leftover)
        self.placing = threading.Lock()
        self.locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self.pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="work")
        self.endings = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ending")
