"""What the service keeps: things of several kinds by their ids, in a file that outlives it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from fakevm.model.value import Value

Thing = TypeVar("Thing", bound=Value)

_COLUMNS = "number INTEGER PRIMARY KEY, kind TEXT, id TEXT, body TEXT, UNIQUE (kind, id)"
_TABLE = f"CREATE TABLE IF NOT EXISTS thing ({_COLUMNS})"
_PUT = "INSERT INTO thing (kind, id, body) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body"


class Store:
    """One file of SQLite; many threads may use it."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        # One connection, used under the lock: what is kept is small.
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(_TABLE)

    def run(self, statement: str, *values: str) -> list[tuple[str, ...]]:
        """Run a statement. Raises sqlite3.Error: the disk is full, say."""
        with self.lock:
            return self._database.execute(statement, values).fetchall()


class Shelf(Generic[Thing]):
    """The things of one kind, in the order in which they came."""

    def __init__(self, store: Store, kind: type[Thing]) -> None:
        self._store = store
        self._type = kind
        self._kind = kind.__name__
        self._kept: dict[str, Thing] = {
            id_: kind.model_validate_json(body)
            for id_, body in store.run("SELECT id, body FROM thing WHERE kind = ? ORDER BY number", self._kind)
        }

    def put(self, id_: str, thing: Thing) -> None:
        """Keep a thing, in the place of what had its id."""
        with self._store.lock:
            self._store.run(_PUT, self._kind, id_, thing.model_dump_json())
            self._kept[id_] = thing

    def get(self, id_: str) -> Thing | None:
        """Give a thing; None: there is none."""
        return self._kept.get(id_)

    def all(self) -> list[Thing]:
        """List all of them."""
        with self._store.lock:
            return list(self._kept.values())

    def change(self, id_: str, edit: Callable[[Thing], Thing]) -> Thing | None:
        """Change a thing as it is now; None: there is none (any more)."""
        with self._store.lock:
            known = self._kept.get(id_)
            if known is None:
                return None
            changed = edit(known)
            self.put(id_, changed)
            return changed

    def delete(self, id_: str) -> Thing | None:
        """Forget a thing; gives what it was."""
        with self._store.lock:
            self._store.run("DELETE FROM thing WHERE kind = ? AND id = ?", self._kind, id_)
            return self._kept.pop(id_, None)
