"""The programs ``fakevm`` and ``neutron-fakevm``."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fakevm.cli import stream
from fakevm.cli.argument import refuse_empty_variables
from fakevm.cli.failure import Ended, complain, end_tidily_on_signals
from fakevm.cli.words import WITH_COMMAND, command_at
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
        status = quickly(words)
        if status is not None:
            return status
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


def quickly(words: Sequence[str]) -> int | None:
    """Take the fast way of ``exec`` and ``ssh``, which mostly does not come back; None when it cannot be taken."""
    at = command_at(words)
    lab = _lab_alone(words[:at])
    command, own = words[at : at + 1], words[at + 1 :]
    if not command or command[0] not in WITH_COMMAND or lab is None or {"-h", "--help", "--remote"} & set(own):
        return None
    from fakevm.cli import exec_parser

    parse = exec_parser.parse_ssh if command[0] == "ssh" else exec_parser.parse
    parsed = parse(f"{Path(sys.argv[0]).name} {command[0]}", own)
    name = parsed.exec_lab or lab or os.environ.get("FAKEVM_LAB")
    if not name and any(os.environ.get(variable) for variable in ("OS_CLOUD", "OS_AUTH_URL", "OS_ENDPOINT")):
        return None
    from fakevm.lab import registry

    try:
        record = registry.choose(name)
    except (NotFound, PermissionError):
        # The long way finds out, and says, what is wrong.
        return None
    if command[0] == "ssh":
        from fakevm.cli import ssh_local

        return ssh_local.run(record, parsed)
    from fakevm.cli import exec_local

    return exec_local.run(record, parsed)


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
