"""Shows checks on standard error while they run: a live table on a terminal, else a line for each that has ended."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fakevm.model.check import CheckResult, Status
from fakevm.progress import Progress

if TYPE_CHECKING:
    from rich.table import Table

_STYLES: dict[Status, str] = {"met": "green", "failed": "red", "error": "yellow", "skipped": "cyan"}
# Lines of the screen that are not rows: the table's head and foot, its caption (two lines when it is long), the cursor.
_AROUND = 7


class Board(Progress):
    """Is told of checks, by many threads, and of the steps between them."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._begun: dict[str, float] = {}
        self._results: dict[str, CheckResult] = {}
        self._names = names
        self._step: tuple[str, float] | None = None
        self._seen = ""
        self._live: Any = None
        self._console: Any = None

    def __enter__(self) -> Board:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            # What remains is the command's own table, on standard output.
            self._console = Console(stderr=True)
            self._live = Live(console=self._console, get_renderable=self._table, transient=True)
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
            self._begun.setdefault(name, time.monotonic())
            if result:
                # The last that ended is the last here.
                self._results[name] = result
                if not self._live:
                    print(line(result), file=sys.stderr, flush=True)

    def began(self, title: str) -> None:
        """Show a step that runs: a fault that is made, or repaired."""
        self._step = title, time.monotonic()
        self._seen = ""

    def seen(self, text: str) -> None:
        """Show what a wait of that step sees."""
        self._seen = text

    def ended(self, title: str, seconds: float) -> None:
        """Show a step that ended."""
        self._step = None
        text = f"{'':7} {seconds:5.1f} s  {title}"
        if self._live:
            self._console.print(text, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    # -- the live table --------------------------------------------------------------------------------------

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(caption_justify="left", expand=True)
        for title, share in (("check", 3), ("status", None), ("seconds", None), ("seen", 4)):
            table.add_column(title, no_wrap=True, ratio=share, overflow="ellipsis")
        with self._lock:
            for name in self.shown(self._console.height - _AROUND):
                result = self._results.get(name)
                if result:
                    status = Text(result.status, style=_STYLES[result.status])
                    table.add_row(Text(name), status, f"{result.seconds:.1f}", Text(result.seen))
                elif name in self._begun:
                    table.add_row(Text(name), "runs", f"{time.monotonic() - self._begun[name]:.0f}", "")
                else:
                    table.add_row(Text(name), "", "", "")
            table.caption = Text(self.summary())
        return table

    def shown(self, room: int) -> list[str]:
        """Choose the checks that fit, in their order: what runs, what is not met, what ended last, what comes next."""
        running = [name for name in self._begun if name not in self._results]
        ended = list(reversed(self._results))
        wrong = [name for name in ended if self._results[name].status in ("failed", "error")]
        waiting = [name for name in self._names if name not in self._begun]
        chosen = set(list(dict.fromkeys([*running, *wrong, *ended, *waiting]))[: max(1, room)])
        return [name for name in self._names if name in chosen]

    def summary(self) -> str:
        """Count what ended, and name the step that runs."""
        found = Counter(result.status for result in self._results.values())
        counts = ", ".join(f"{found[status]} {status}" for status in _STYLES if found[status])
        text = f"{len(self._results)} of {len(self._names)} ended" + (f": {counts}" if counts else "")
        if self._step:
            title, begin = self._step
            text += f"; {title} ({time.monotonic() - begin:.0f} s)" + (f": {self._seen}" if self._seen else "")
        return text


def line(result: CheckResult) -> str:
    """Put a result into a line."""
    expected = "" if result.status in ("met", "skipped") else f" (expected: {result.expect})"
    return f"{result.status:7} {result.seconds:5.1f} s  {result.name}: {result.seen}{expected}"
