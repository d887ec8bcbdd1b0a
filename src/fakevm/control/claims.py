"""Claims of ports and guests: who changes one has it alone, on whichever machine the others are.

A claim is an exclusive queue of the broker: RabbitMQ gives it to one connection, and takes it back when that ends,
however it ends (AMQP 0-9-1, ``queue.declare``). So no claim outlives its command. Neutron's ``If-Match`` is no such
thing: of two requests at the same moment it lets both pass (docs/findings/0006, ADR 0029).
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import amqp

from fakevm.control.known import guest_words, words
from fakevm.errors import Conflict, Unreachable
from fakevm.progress import SILENT, Progress
from fakevm.waiting import remains

if TYPE_CHECKING:
    from kombu import Connection

# Seconds. The broker ends a connection that is silent for longer than its heartbeat (60 s by default) twice.
BEAT = 10.0
# Who has claimed a port says so a moment later; what a command that was killed has said is forgotten after the hour.
SAYING = 2.0
PAUSE = 0.1
KEPT = 3600


class _Thing(NamedTuple):
    """What is claimed: its queue, and how it is named in a sentence."""

    lock: str
    words: str

    @property
    def sayings(self) -> str:
        """The queue with what the claim is for."""
        return f"{self.lock}.words"


class Claims:
    """The claims of this command, all through one connection that is opened (``connect``) for the first of them."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    @contextmanager
    def held(
        self,
        ports: Iterable[str],
        doing: str,
        *,
        guests: Iterable[str] = (),
        patience: float = 0.0,
        progress: Progress = SILENT,
    ) -> Iterator[None]:
        """Have ports and ``guests`` alone for as long as the block lasts; what this command has already it has twice.

        ``doing`` says what for, such as "a migration to host2". A guest that another command has is waited for,
        ``patience`` seconds at most: two may give it an interface each. Raises Conflict that says who has one of them,
        what for and since when; Unreachable.
        """
        taken: list[_Thing] = []
        wanted = [*((_port(port), 0.0) for port in ports), *((_guest(guest), patience) for guest in guests)]
        try:
            for thing, seconds in wanted:
                self._take(thing, doing, seconds, progress)
                taken.append(thing)
            yield
        finally:
            with self._lock, suppress(Unreachable), _translated():
                for thing in taken:
                    self._release(thing)

    def close(self) -> None:
        """Give all claims back."""
        self._closed.set()
        with self._lock, suppress(Unreachable), _translated():
            if self._connection:
                self._connection.release()

    # -- within ----------------------------------------------------------------------------------------------

    def _take(self, thing: _Thing, doing: str, patience: float, progress: Progress) -> None:
        def holder() -> str:
            with self._lock, _translated():
                seen = self._try(thing, doing)
            if seen:
                progress.seen(f"waiting: {thing.words}: {seen}")
            return seen

        if seen := remains(holder, patience, pause=PAUSE):
            raise Conflict(f"{thing.words}: {seen}", hint="Wait for that command, or end it; then try again.")

    def _try(self, thing: _Thing, doing: str) -> str:
        """Claim a thing; returns who has it, when that is another command."""
        if not self._held[thing.lock]:
            channel = self._channel()
            try:
                channel.queue_declare(thing.lock, exclusive=True)
            except amqp.ResourceLocked:
                return self._holder(thing)
            self._say(channel, thing, doing)
            channel.close()
        self._held[thing.lock] += 1
        return ""

    def _release(self, thing: _Thing) -> None:
        self._held[thing.lock] -= 1
        if not self._held[thing.lock]:
            channel = self._channel()
            channel.queue_delete(thing.sayings)
            channel.queue_delete(thing.lock)
            channel.close()

    def _say(self, channel: Any, thing: _Thing, doing: str) -> None:
        """Tell others what the claim is for: the newest word in a queue that anybody can read."""
        _declare_sayings(channel, thing)
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        said = {"doing": doing, "since": since, "who": f"process {os.getpid()} on {socket.gethostname()}"}
        channel.basic_publish(amqp.Message(json.dumps(said)), routing_key=thing.sayings)

    def _holder(self, thing: _Thing) -> str:
        """Read what the claim is for; whoever reads takes the word away for a moment."""
        holder = "another command works on it just now"

        def unread() -> str:
            nonlocal holder
            channel = self._channel()
            _declare_sayings(channel, thing)
            message = channel.basic_get(thing.sayings)
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


def _port(port_id: str) -> _Thing:
    return _Thing(f"fakevm_claim.{port_id}", words(port_id))


def _guest(guest_id: str) -> _Thing:
    # Neutron takes any words for a device_id, and the broker 255 bytes for a queue's name.
    return _Thing(f"fakevm_claim.guest.{hashlib.sha256(guest_id.encode()).hexdigest()}", guest_words(guest_id))


def _declare_sayings(channel: Any, thing: _Thing) -> None:
    newest = {"x-max-length": 1, "x-expires": KEPT * 1000}
    channel.queue_declare(thing.sayings, durable=True, auto_delete=False, arguments=newest)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, amqp.AMQPError) as problem:
        raise Unreachable(
            f"could not claim a port or a guest at the message broker: {problem}",
            hint="In a lab, `fakevm lab status` tells what runs; else look at transport_url.",
        ) from problem
