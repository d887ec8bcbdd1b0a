"""Sends numbered datagrams, and takes them: what is lost, and how long each takes; a program of its own.

``stream.py take ADDRESS COUNT SECONDS`` binds a port of its own choice and says ``taking PORT``. When standard input
has ended, and all COUNT have come or nothing has for a while, it tells what came as a JSON object: it waits twice as
long as any took until now, and a second, SECONDS at most. ``stream.py send ADDRESS PORT COUNT INTERVAL`` sends so many,
one each INTERVAL seconds. Both on one machine: their clock is the same. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import statistics
import struct
import sys
import time
from typing import Any

# A number, and when it was sent (nanoseconds since the epoch).
_FORM = struct.Struct("!4sIQ")
_MAGIC = b"fvms"
# asm-generic/socket.h: the kernel says when a datagram came, so that it does not matter when we are woken.
_SO_TIMESTAMPNS = 35
_TIMES = struct.Struct("ll")
# ip(7), ipv6(7): the kernel says how a packet is marked. The mark is above the two bits of ECN.
_ASK_FOR_MARKS: dict[int, tuple[int, int]] = {
    socket.AF_INET: (socket.IPPROTO_IP, 13),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 66),
}
_MARKS = ((socket.IPPROTO_IP, 1), (socket.IPPROTO_IPV6, 67))
# What comes in the first second tells of a burst, not of a rate.
_BURST = 1_000_000_000
_ROOM = 8 << 20
# Sent at once, where an interval is shorter than a program can wait.
_SHORTEST = 0.0002


def family(address: str) -> int:
    """Tell which family an address is of."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def take(address: str, count: int, longest: float) -> dict[str, Any]:
    """Take datagrams until standard input ends and no more come, and tell of them."""
    delays: dict[int, float] = {}
    twice = late = 0
    last = -1
    marks: set[int] = set()
    arrivals: list[int] = []
    with socket.socket(family(address), socket.SOCK_DGRAM) as opened:
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        opened.setsockopt(*_ASK_FOR_MARKS[family(address)], 1)
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, 33, _ROOM)  # SO_RCVBUFFORCE
        opened.bind(("::" if ":" in address else "0.0.0.0", 0))
        opened.setblocking(False)
        print(f"taking {opened.getsockname()[1]}", flush=True)
        ended = False
        while not (ended and len(delays) >= count):
            patience = min(longest, 1 + 2 * max(delays.values(), default=longest)) if ended else None
            ready, _, _ = select.select([opened] if ended else [opened, sys.stdin], [], [], patience)
            if sys.stdin in ready and not os.read(0, 4096):
                ended = True
            if opened not in ready:
                if ended and not ready:
                    break
                continue
            said, more, _, _ = opened.recvmsg(2048, 128)
            came = _came(more)
            if len(said) < _FORM.size or said[:4] != _MAGIC:
                continue
            _, number, sent = _FORM.unpack_from(said)
            if number in delays:
                twice += 1
                continue
            delays[number] = (came - sent) / 1e9
            arrivals.append(came)
            marks.update(_marks(more))
            late += number < last
            last = max(last, number)
    return _told(list(delays.values()), twice, late) | {"marks": sorted(marks), "rate": _rate(arrivals)}


def _came(more: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in more:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMES.unpack_from(data)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return time.time_ns()


def _marks(more: list[tuple[int, int, bytes]]) -> list[int]:
    return [int.from_bytes(data, sys.byteorder) >> 2 for level, kind, data in more if (level, kind) in _MARKS]


def _rate(arrivals: list[int]) -> float:
    """Tell how many came in a second, once the first was over; 0.0: too few to say."""
    later = [came for came in arrivals if came >= arrivals[0] + _BURST]
    return (len(later) - 1) / ((later[-1] - later[0]) / 1e9) if len(later) > 1 and later[-1] > later[0] else 0.0


def _told(delays: list[float], twice: int, late: int) -> dict[str, Any]:
    found: dict[str, Any] = {"taken": len(delays), "twice": twice, "late": late}
    if delays:
        found |= {"least": min(delays), "median": statistics.median(delays), "most": max(delays)}
        found["deviation"] = statistics.pstdev(delays)
    return found


def send(address: str, port: int, count: int, interval: float) -> dict[str, Any]:
    """Send datagrams, evenly; tells how many the kernel took."""
    sent = 0
    at_once = max(1, round(_SHORTEST / interval)) if interval > 0 else count
    with socket.socket(family(address), socket.SOCK_DGRAM) as opened:
        opened.connect((address, port))
        begin = time.monotonic()
        for number in range(count):
            if number % at_once == 0 and (left := begin + number * interval - time.monotonic()) > 0:
                time.sleep(left)
            try:
                opened.send(_FORM.pack(_MAGIC, number, time.time_ns()))
                sent += 1
            except OSError as exc:
                if number == 0:
                    return {"sent": 0, "error": str(exc)}
    return {"sent": sent}


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "take":
        print(json.dumps(take(words[0], int(words[1]), float(words[2]))))
    else:
        print(json.dumps(send(words[0], int(words[1]), int(words[2]), float(words[3]))))
