"""The programs ``fakevm`` and ``neutron-fakevm``."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fakevm.cli import stream
from fakevm.cli.argument import refuse_empty_variables
from fakevm.cli.failure import Ended, complain, end_tidily_on_signals
from fakevm.cli.words import command_at
from fakevm.errors import NotFound


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status."""
    words = sys.argv[1:] if words is None else list(words)
    try:
        stream.prepare()
        if words[:2] == ["complete", "--values"]:
            from fakevm.cli import values

            return values.main(words[2:])
        status = _run(words)
        sys.stdout.flush()
        return status
    except Ended as ended:
        return ended.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        stream.discard()
        return 141
    except Exception as error:
        return complain(error)


def _run(words: Sequence[str]) -> int:
    try:
        refuse_empty_variables()
        exec_in_local_lab(words)
        end_tidily_on_signals()
        _spare_garbage_collection()
        from fakevm.cli.app import App

        return App().run(list(words))
    except SystemExit as ended:
        # By argparse: help was shown, or the words were wrong.
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))


def _spare_garbage_collection() -> None:
    """Collect seldom, and not what is about to end: a fifth of a short command's time goes into looking at modules."""
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)


def exec_in_local_lab(words: Sequence[str]) -> None:
    """Take the fast way of ``exec``, which does not come back; come back when it cannot be taken."""
    at = command_at(words)
    lab = _lab_alone(words[:at])
    if words[at : at + 1] != ["exec"] or lab is None or {"-h", "--help", "--remote"} & set(words[at + 1 :]):
        return
    from fakevm.cli import exec_parser

    parsed = exec_parser.parse(f"{Path(sys.argv[0]).name} exec", words[at + 1 :])
    name = parsed.exec_lab or lab or os.environ.get("FAKEVM_LAB")
    if not name and any(os.environ.get(variable) for variable in ("OS_CLOUD", "OS_AUTH_URL", "OS_ENDPOINT")):
        return
    from fakevm.cli import exec_local
    from fakevm.lab import registry

    with contextlib.suppress(NotFound, PermissionError):  # the long way finds out, and says, what is wrong
        record = registry.choose(name)
        guest = exec_local.choose_guest(record, parsed.vif, parsed.host)
        if guest:
            options = {"timeout": parsed.timeout, "terminal": parsed.terminal}
            exec_local.run_in_guest(record, guest, parsed.command, **options)


def _lab_alone(options: Sequence[str]) -> str | None:
    """Give the lab that global options name, "" for none; None when there are other options too."""
    lab = ""
    rest = list(options)
    while rest:
        word = rest.pop(0)
        if word == "--lab" and rest:
            lab = rest.pop(0)
        elif word.startswith("--lab="):
            lab = word.removeprefix("--lab=")
        else:
            return None
    return lab


if __name__ == "__main__":
    sys.exit(main())
