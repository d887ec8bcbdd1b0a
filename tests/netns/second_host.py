"""A second host for tests: a process with network and files of its own, whose agent is asked line by line.

Run by its path it is that process: it takes ``[method, arguments]`` and answers with envelopes, as over the broker.
Its guests join a Linux bridge; ``uplink`` is the bridge's way out, whose other end is in the sandbox.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fakevm.agent.commands import Commands
from fakevm.agent.execution import Executions
from fakevm.agent.kinds import Kinds
from fakevm.agent.manager import Manager
from fakevm.agent.server import AgentEndpoint
from fakevm.agent.store import Store
from fakevm.guest.base import Uplink
from fakevm.linux import link
from fakevm.model.guest import GuestSeen, GuestState
from fakevm.model.port import Port, Vif
from fakevm.names import device_peer
from fakevm.rpc import codec
from fakevm.vif.base import VifDriver

NAME = "h2"
UPLINK = "uplink-h2"


class BridgeDriver(VifDriver):
    """Joins guests to a Linux bridge, and nothing more."""

    vif_types = ("ovs",)

    def prepare(self, port: Port) -> Uplink:
        return Uplink(device_peer(port.id), "br-h2")

    def connect(self, port: Port) -> None:
        pass

    def unplug(self, port: Port) -> None:
        pass

    def problem(self, port: Port) -> str:
        return "" if link.exists(device_peer(port.id)) else "not wired"


class SecondHost:
    """The agent of the second host, as the control side sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self, method: str, **arguments: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        print(json.dumps([method, arguments]), file=self._process.stdin, flush=True)
        return codec.unpack(json.loads(self._process.stdout.readline()))

    def plug(self, port: Port, asleep: bool = False) -> Vif:
        binding = port.binding.model_copy(update={"host": NAME})
        moved = port.model_copy(update={"binding": binding})
        return Vif.model_validate(self.call("plug", port=moved.model_dump(mode="json"), asleep=asleep))

    def pause(self, guest_id: str) -> GuestState:
        return GuestState.model_validate(self.call("pause", guest_id=guest_id))

    def resume(self, guest_id: str, state: GuestState | None = None) -> GuestSeen:
        brought = state and state.model_dump(mode="json")
        return GuestSeen.model_validate(self.call("resume", guest_id=guest_id, state=brought))

    def run(self, port: Port, command: str) -> str:
        """Run a shell command in a guest."""
        exec_id = self.call("exec_start", guest_id=port.instance_id, command=["sh", "-c", command], timeout=60)
        said, errors, status = b"", b"", None
        while status is None:
            answer = self.call("exec_io", exec_id=exec_id, stdin="", close_stdin=True, wait=5)
            said += base64.b64decode(answer["stdout"])
            errors += base64.b64decode(answer["stderr"])
            status = answer["exit_status"]
        assert status == 0, errors.decode()
        return said.decode()


@contextmanager
def second_host(join: str) -> Iterator[SecondHost]:
    """Run the second host; ``join`` is the shell command that wires UPLINK in the sandbox."""
    process = subprocess.Popen(
        ["unshare", "-mn", sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    try:
        assert process.stdout.readline() == "there\n"
        wire = f"ip link add {UPLINK} type veth peer name uplink netns {process.pid} && ip link set {UPLINK} up"
        subprocess.run(["sh", "-c", f"{wire} && {join}"], check=True)
        host = SecondHost(process)
        yield host
        for vif in host.call("list_vifs"):
            host.call("unplug", port_id=vif["port_id"])
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def main() -> None:
    """Be the second host."""
    for command in (
        "mount -t tmpfs tmpfs /run && mkdir /run/etc && cp -a /etc/. /run/etc && mount --bind /run/etc /etc",
        "mount -t sysfs sysfs /sys && ip link set lo up && ip link add br-h2 type bridge",
        "echo 1 > /proc/sys/net/ipv6/conf/br-h2/disable_ipv6 && ip link set br-h2 up",
    ):
        subprocess.run(["sh", "-c", command], check=True)
    print("there", flush=True)
    manager = Manager(NAME, "bridge", BridgeDriver(), Kinds(NAME, Path("/run/state")), Store(Path("/run/state")))
    endpoint = AgentEndpoint(manager, Commands(manager, Executions()))
    for number, line in enumerate(sys.stdin):
        if not number:
            subprocess.run(["sh", "-c", "ip link set uplink master br-h2 up"], check=True)
        method, arguments = json.loads(line)
        print(json.dumps(getattr(endpoint, method)({}, **arguments)), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
