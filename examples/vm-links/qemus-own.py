"""What links between virtual machines do that are QEMU's own: ``python3 qemus-own.py``, with ``fakevm`` in the PATH.

Two QEMUs without a machine (-M none) stand for two virtual machines: what is sent to one as a datagram comes out of its
"card", and what comes in there is handed on as a datagram.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator

HOST = "127.0.0.1"
# Of each QEMU: the port at which it takes frames, and the one to which it hands them.
LEFT, RIGHT = (17301, 17302), (17311, 17312)
LINK, BACK, GROUP = 17321, 17322, "239.255.77.3"
QEMU = ("fakevm", "tool", "run", "qemu", "--", "qemu-system-x86_64", "-M", "none", "-nodefaults", "-display", "none",
        "-monitor", "none", "-serial", "none")  # fmt: skip
# Each way: what the first is told, and the second.
WAYS = {
    "UDP": (f"socket,id=link,udp={HOST}:{BACK},localaddr={HOST}:{LINK}",
            f"socket,id=link,udp={HOST}:{LINK},localaddr={HOST}:{BACK}"),
    "TCP": (f"socket,id=link,listen={HOST}:{LINK}", f"socket,id=link,connect={HOST}:{LINK}"),
    "multicast": (f"socket,id=link,mcast={GROUP}:{LINK},localaddr={HOST}",) * 2,
}  # fmt: skip
# Seconds that a QEMU may take to start; that a frame may take that comes.
STARTING, PATIENCE = 60.0, 3.0


class Machine:
    """A QEMU, and the sockets at which its card is played."""

    def __init__(self, ports: tuple[int, int], link: str) -> None:
        self.ports, self.link = ports, link
        self.card = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.card.bind((HOST, ports[1]))
        self.card.settimeout(0.2)
        self.start()

    def start(self) -> None:
        """Start QEMU; returns when it listens for frames."""
        inner, outer = self.ports
        ends = (f"inet,{side}.host={HOST},{side}.port={port}" for side, port in (("local", inner), ("remote", outer)))
        local, remote = ends
        datagrams = f"dgram,id=card,local.type={local},remote.type={remote}"
        hubs = ("-netdev", "hubport,id=a,hubid=1,netdev=card", "-netdev", "hubport,id=b,hubid=1,netdev=link")
        command = [*QEMU, "-netdev", datagrams, "-netdev", self.link, *hubs]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + STARTING
        while not _listens(inner):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise SystemExit(f"QEMU does not start: {self.process.communicate()[1]}")
            time.sleep(0.05)

    def end(self) -> None:
        """End QEMU."""
        self.process.terminate()
        self.process.communicate()

    def send(self, frame: bytes) -> None:
        """Have the machine send a frame."""
        self.card.sendto(frame, (HOST, self.ports[0]))

    def hears(self, frame: bytes, other: Machine | None = None) -> bool:
        """Tell whether the machine gets a frame, which another sends again and again until then."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if other:
                other.send(frame)
            with contextlib.suppress(TimeoutError):
                if self.card.recv(2048) == frame:
                    return True
        return False


def _listens(port: int) -> bool:
    with open("/proc/net/udp") as sockets:  # noqa: PTH123
        return any(line.split()[1].endswith(f":{port:04X}") for line in list(sockets)[1:])


@contextlib.contextmanager
def machines(way: str) -> Iterator[tuple[Machine, Machine]]:
    """Run both."""
    with contextlib.ExitStack() as running:
        both = []
        for ports, link in zip((LEFT, RIGHT), WAYS[way], strict=True):
            both.append(Machine(ports, link))
            running.callback(lambda machine=both[-1]: (machine.end(), machine.card.close()))
        yield both[0], both[1]


def frame(number: int) -> bytes:
    """Make a frame of LLDP, which no bridge would pass on."""
    return bytes.fromhex("0180c200000e 020000000001 88cc") + b"frame %d" % number + bytes(46)


def main() -> None:
    """Say of each way what becomes of a frame."""
    for way in WAYS:
        with machines(way) as (left, right):
            said = [f"passes {'LLDP' if right.hears(frame(1), left) else 'nothing'}"]
            left.send(frame(2))
            said.append("hears itself" if left.hears(frame(2)) else "does not hear itself")
            for again, other, name in ((right, left, "second"), (left, right, "first")):
                again.end()
                again.start()
                state = "up" if again.hears(frame(3), other) else "dead"
                said.append(f"{state} when the {name} was started anew")
            print(f"{way}: {', '.join(said)}", flush=True)


if __name__ == "__main__":
    main()
