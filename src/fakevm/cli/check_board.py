"""Shows checks on standard error while they run: a live table on a terminal, else a line for each that has ended."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fakevm.lab.progress import Progress
from fakevm.model.check import CheckResult

if TYPE_CHECKING:
    from rich.table import Table

_STYLES = {"met": "green", "failed": "red", "error": "yellow", "skipped": "cyan"}


class Board(Progress):
    """Is told of checks, by many threads, and of the steps between them."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._begun: set[str] = set()
        self._results: dict[str, CheckResult] = {}
        self._names = names
        self._live: Any = None

    def __enter__(self) -> Board:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            # What remains is the command's own table, on standard output.
            self._live = Live(console=Console(stderr=True), get_renderable=self._table, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def tell(self, name: str, result: CheckResult | None) -> None:
        """Show that a check begins (None), or what came of it."""
        with self._lock:
            self._begun.add(name)
            if result:
                self._results[name] = result
                if not self._live:
                    print(line(result), file=sys.stderr, flush=True)

    def ended(self, title: str, seconds: float) -> None:
        """Show a step that ended: a fault that was made, or repaired."""
        text = f"{'':7} {seconds:5.1f} s  {title}"
        if self._live:
            self._live.console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table("check", "status", "seconds", "seen")
        with self._lock:
            for name in self._names:
                result = self._results.get(name)
                if result:
                    status = Text(result.status, style=_STYLES[result.status])
                    table.add_row(Text(name), status, f"{result.seconds:.1f}", Text(result.seen))
                else:
                    table.add_row(Text(name), "runs" if name in self._begun else "", "", "")
        return table


def line(result: CheckResult) -> str:
    """Put a result into a line."""
    expected = "" if result.status in ("met", "skipped") else f" (expected: {result.expect})"
    return f"{result.status:7} {result.seconds:5.1f} s  {result.name}: {result.seen}{expected}"
