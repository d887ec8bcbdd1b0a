"""Claims of ports: who changes one has it alone, on whichever machine the others are.

A claim is an exclusive queue of the broker: RabbitMQ gives it to one connection, and takes it back when that ends,
however it ends (AMQP 0-9-1, ``queue.declare``). So no claim outlives its command. Neutron's ``If-Match`` is no such
thing: of two requests at the same moment it lets both pass (docs/findings/0006, ADR 0029).
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import amqp

from fakevm.control.known import words
from fakevm.errors import Conflict, Unreachable
from fakevm.waiting import remains

if TYPE_CHECKING:
    from kombu import Connection

# Seconds. The broker ends a connection that is silent for longer than its heartbeat (60 s by default) twice.
BEAT = 10.0
# Who has claimed a port says so a moment later; what a command that was killed has said is forgotten after the hour.
SAYING = 2.0
PAUSE = 0.1
KEPT = 3600


class Claims:
    """The claims of this command, all through one connection that is opened (``connect``) for the first of them."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()

    @contextmanager
    def held(self, ports: Iterable[str], doing: str) -> Iterator[None]:
        """Have ports alone for as long as the block lasts; ``doing`` says what for, such as "a migration to host2".

        Raises Conflict that says who has one of them, what for and since when; Unreachable.
        """
        taken: list[str] = []
        try:
            with self._lock, _translated():
                for port_id in ports:
                    self._take(port_id, doing)
                    taken.append(port_id)
            yield
        finally:
            with self._lock, suppress(Unreachable), _translated():
                for port_id in taken:
                    self._release(port_id)

    def close(self) -> None:
        """Give all claims back."""
        self._closed.set()
        with self._lock, suppress(Unreachable), _translated():
            if self._connection:
                self._connection.release()

    # -- within ----------------------------------------------------------------------------------------------

    def _take(self, port_id: str, doing: str) -> None:
        channel = self._channel()
        try:
            channel.queue_declare(_lock_of(port_id), exclusive=True)
        except amqp.ResourceLocked:
            raise Conflict(
                f"{words(port_id)}: {self._holder(port_id)}",
                hint="Wait for that command, or end it; then try again.",
            ) from None
        self._say(channel, port_id, doing)
        channel.close()

    def _release(self, port_id: str) -> None:
        channel = self._channel()
        channel.queue_delete(_words_of(port_id))
        channel.queue_delete(_lock_of(port_id))
        channel.close()

    def _say(self, channel: Any, port_id: str, doing: str) -> None:
        """Tell others what the claim is for: the newest word in a queue that anybody can read."""
        _declare_words(channel, port_id)
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        said = {"doing": doing, "since": since, "who": f"process {os.getpid()} on {socket.gethostname()}"}
        channel.basic_publish(amqp.Message(json.dumps(said)), routing_key=_words_of(port_id))

    def _holder(self, port_id: str) -> str:
        """Read what the claim is for; whoever reads takes the word away for a moment."""
        holder = "another command works on it just now"

        def unread() -> str:
            nonlocal holder
            channel = self._channel()
            _declare_words(channel, port_id)
            message = channel.basic_get(_words_of(port_id))
            channel.close()  # which puts it back
            if not message:
                return "no word"
            said = json.loads(message.body)
            holder = f"{said['doing']} is under way since {said['since']} ({said['who']})"
            return ""

        remains(unread, SAYING, pause=PAUSE)
        return holder

    def _channel(self) -> Any:
        """Open a channel: an error ends it, and not the connection."""
        if self._connection is None:
            self._connection = self._connect()
            threading.Thread(target=self._beat, name="claims", daemon=True).start()
        return self._connection.connection.channel()

    def _beat(self) -> None:
        """Show the broker that we are there."""
        while not self._closed.wait(BEAT):
            with self._lock, suppress(Unreachable), _translated():
                if self._connection and self._connection.connected:
                    self._connection.heartbeat_check()


def _lock_of(port_id: str) -> str:
    return f"fakevm_claim.{port_id}"


def _words_of(port_id: str) -> str:
    return f"fakevm_claim.{port_id}.words"


def _declare_words(channel: Any, port_id: str) -> None:
    newest = {"x-max-length": 1, "x-expires": KEPT * 1000}
    channel.queue_declare(_words_of(port_id), durable=True, auto_delete=False, arguments=newest)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, amqp.AMQPError) as problem:
        raise Unreachable(
            f"could not claim a port at the message broker: {problem}",
            hint="In a lab, `fakevm lab status` tells what runs; else look at transport_url.",
        ) from problem
