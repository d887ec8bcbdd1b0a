"""The program ``neutron-fakevm-events``."""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from .log import ROOM, EventLog
from .receiver import Receiver

DESCRIPTION = """\
Receives the events that Neutron sends to Nova, where there is no Nova. In neutron.conf:
[nova] auth_type = none, endpoint = http://ADDRESS:PORT/v2.1
FakeVM's commands wait for the events when FAKEVM_EVENTS is http://ADDRESS:PORT.
With --secret-file both are http://ADDRESS:PORT/SECRET…, and nobody else can post or read events. Neutron may have the
secret as a token instead: [nova] auth_type = admin_token, endpoint = http://ADDRESS:PORT/v2.1, token = SECRET."""


def main(words: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit status."""
    arguments = _parser().parse_args(words)
    log = EventLog(arguments.keep)
    try:
        secret = arguments.secret_file.read_text().strip() if arguments.secret_file else ""
    except OSError as problem:
        print(f"error: cannot read {arguments.secret_file}: {problem.strerror}", file=sys.stderr)
        return 1
    if not re.fullmatch(r"[\w-]*", secret, re.ASCII):
        print(f"error: {arguments.secret_file} is no secret: letters, digits, - and _ alone", file=sys.stderr)
        return 1
    # Tells readers that the numbers began anew.
    life = f"{time.time():.6f}"
    try:
        listeners = [*map(_listen, arguments.listen), *(socket.socket(fileno=fd) for fd in arguments.listen_fd)]
    except OSError as problem:
        print(f"error: cannot listen: {problem}", file=sys.stderr)
        return 1
    if not listeners:
        print("error: nothing to listen at: give --listen ADDRESS:PORT", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        for listener in listeners:
            threading.Thread(target=Receiver(listener, log, life, secret).serve_forever, daemon=True).start()
            print(f"listening at {':'.join(map(str, listener.getsockname()[:2]))}", flush=True)
        threading.Event().wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="neutron-fakevm-events", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--listen", metavar="ADDRESS:PORT", action="append", type=_place, default=[],
        help="where to listen; may be repeated; anybody can post and read there unless there is a --secret-file",
    )  # fmt: skip
    parser.add_argument(
        "--listen-fd", metavar="N", action="append", type=int, default=[], help="an inherited listening socket"
    )
    parser.add_argument(
        "--secret-file", metavar="FILE", type=Path,
        help="a file (mode 0600) with a secret that all URLs begin with: letters, digits, - and _",
    )  # fmt: skip
    parser.add_argument("--keep", metavar="N", type=int, default=ROOM, help="events to keep (default: %(default)s)")
    return parser


def _place(word: str) -> tuple[str, int]:
    address, colon, port = word.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{word!r} is not ADDRESS:PORT")
    return address.strip("[]"), int(port)


def _listen(place: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    return socket.create_server(place, family=family, backlog=128)


if __name__ == "__main__":
    sys.exit(main())
