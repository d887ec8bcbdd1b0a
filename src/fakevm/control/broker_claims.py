"""Claims at the broker.

A claim is an exclusive queue: RabbitMQ gives it to one connection, and takes it back when that ends, however it ends
(AMQP 0-9-1, ``queue.declare``). Neutron's ``If-Match`` is no such thing: of two requests at the same moment it lets
both pass (docs/findings/0006, ADR 0029).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import amqp

from fakevm.errors import Unreachable
from fakevm.waiting import remains

from .claims import PAUSE, UNSAID, Claims, Thing, said

if TYPE_CHECKING:
    from kombu import Connection

# Seconds. The broker ends a connection that is silent for longer than its heartbeat (60 s by default) twice.
BEAT = 10.0
# Who has claimed a port says so a moment later; what a command that was killed has said is forgotten after the hour.
SAYING = 2.0
KEPT = 3600


class BrokerClaims(Claims):
    """All go through one connection, which is opened (``connect``) for the first of them."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        super().__init__()
        self._connect = connect
        self._connection: Connection | None = None
        self._closed = threading.Event()

    def close(self) -> None:
        """See Claims."""
        self._closed.set()
        with self._lock, suppress(Unreachable), _translated():
            if self._connection:
                self._connection.release()

    def claim(self, thing: Thing, doing: str) -> str:
        """See Claims."""
        with _translated():
            channel = self._channel()
            try:
                channel.queue_declare(thing.lock, exclusive=True)
            except amqp.ResourceLocked:
                return self._holder(thing)
            _declare_sayings(channel, thing)
            channel.basic_publish(amqp.Message(said(doing)), routing_key=_sayings(thing))
            channel.close()
            return ""

    def give_back(self, thing: Thing) -> None:
        """See Claims."""
        with _translated():
            channel = self._channel()
            channel.queue_delete(_sayings(thing))
            channel.queue_delete(thing.lock)
            channel.close()

    def _holder(self, thing: Thing) -> str:
        """Read what the claim is for; whoever reads takes the word away for a moment."""
        holder = UNSAID

        def unread() -> str:
            nonlocal holder
            channel = self._channel()
            _declare_sayings(channel, thing)
            message = channel.basic_get(_sayings(thing))
            channel.close()  # which puts it back
            if not message:
                return "no word"
            holder = _text(message.body)
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


def _sayings(thing: Thing) -> str:
    """Name the queue with what a claim is for: its newest word, which anybody can read."""
    return f"{thing.lock}.words"


def _text(body: str | bytes) -> str:
    return body.decode() if isinstance(body, bytes) else body


def _declare_sayings(channel: Any, thing: Thing) -> None:
    newest = {"x-max-length": 1, "x-expires": KEPT * 1000}
    channel.queue_declare(_sayings(thing), durable=True, auto_delete=False, arguments=newest)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, amqp.AMQPError) as problem:
        raise Unreachable(
            f"could not claim a port or a guest at the message broker: {problem}",
            hint="In a lab, `fakevm lab status` tells what runs; else look at transport_url.",
        ) from problem
