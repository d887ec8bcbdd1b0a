"""An emulated host that cannot be made leaves nothing on the machine; a real agent is asked to make it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import until

Shell = Callable[..., str]

CONFIGURATION = """\
[DEFAULT]
host = machine
transport_url = rabbit://user:password@198.18.0.1:5672/

[ovs]
bridge_mappings = physnet1:br-one,physnet2:br-two
local_ip = 198.18.1.2
datapath_type = netdev

[fakevm]
host = h2
enable_multi_node_emulate = True
state_path = /run/fakevm-agent
"""


def begin_agent(folder: Path, more: str = "") -> subprocess.Popen[str]:
    file = folder / "agent.ini"
    file.write_text(CONFIGURATION + more)
    words = [sys.executable, "-m", "fakevm.agent.main", "--config-file", str(file)]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "FAKEVM_HOSTS": "/run/hosts"}
    return subprocess.Popen(words, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def start_agent(folder: Path, more: str = "") -> subprocess.CompletedProcess[str]:
    """Start the agent, which is to be refused."""
    agent = begin_agent(folder, more)
    stdout, stderr = agent.communicate(timeout=60)
    return subprocess.CompletedProcess(agent.args, agent.returncode, stdout, stderr)


def links(sh: Shell) -> list[str]:
    return sorted(sh("ip -o link | cut -d: -f2 | cut -d@ -f1").split())


def test_a_name_that_is_taken(sh: Shell, tmp_path: Path) -> None:
    sh("ip link add qfbbr-two type bridge")
    before = links(sh)
    done = start_agent(tmp_path)
    assert (done.returncode, "qfbbr-two exists" in done.stderr) == (1, True), done.stderr
    assert links(sh) == before
    sh("ip link del qfbbr-two")


def test_tunnels_over_a_bridge_that_is_not_there(sh: Shell, tmp_path: Path) -> None:
    before = links(sh)
    done = start_agent(tmp_path, "use_tunnel = True\ntunnel_interface = br-nowhere\n")
    assert (done.returncode, "'br-nowhere' is neither" in done.stderr) == (1, True), done.stderr
    assert links(sh) == before


def test_hosts_with_linux_bridges_are_refused(sh: Shell, tmp_path: Path) -> None:
    before = links(sh)
    done = start_agent(tmp_path, "fakevm_agent_plugin = linuxbridge\n")
    assert (done.returncode, "fakevm lab up --backend linuxbridge" in done.stderr) == (2, True), done.stderr
    assert links(sh) == before


@pytest.mark.parametrize("where", ["writing", "starting"])
def test_a_making_that_breaks_half_way(sh: Shell, tmp_path: Path, where: str) -> None:
    """The folder cannot be written; the host's namespace cannot be made since its name is taken."""
    spoil, mend = {
        "writing": ("mkdir /run/hosts && mount -t tmpfs -o ro tmpfs /run/hosts", "umount /run/hosts"),
        "starting": ("mkdir -p /run/netns && touch /run/netns/h2", "true"),
    }[where]
    before = links(sh)
    sh(spoil)
    done = start_agent(tmp_path)
    assert (done.returncode, "the emulated host 'h2'" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
    assert links(sh) == before
    assert not Path("/run/hosts/h2").exists()
    sh(mend)


def test_one_builds_at_a_time(sh: Shell, tmp_path: Path) -> None:
    """What another is making has no links yet, and would be taken for left behind."""
    sh(
        "mkdir /run/hosts && ip link add qfbbr-two type bridge"
        " && ip link add bfv-new type bridge && ip link set bfv-new alias fakevm"
    )
    lock = os.open("/run/hosts", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    agent = begin_agent(tmp_path)
    until(lambda: any(fd.resolve() == Path("/run/hosts") for fd in Path(f"/proc/{agent.pid}/fd").iterdir()), 60)
    time.sleep(0.3)
    assert "bfv-new" in links(sh)
    os.close(lock)
    assert "qfbbr-two exists" in agent.communicate(timeout=60)[1]
    assert "bfv-new" not in links(sh)
    sh("ip link del qfbbr-two")


def test_bridges_in_use_and_bridges_of_others_stay(sh: Shell, tmp_path: Path) -> None:
    sh(
        "ip link add bfv-physnet1 type bridge && ip link set bfv-physnet1 alias fakevm"
        " && ip link add used type veth peer name user && ip link set used master bfv-physnet1"
        " && ip link add bfv-mine type bridge && ip link add qfbbr-two type bridge"
    )
    before = links(sh)
    assert start_agent(tmp_path).returncode == 1
    assert links(sh) == before
    for name in ("bfv-physnet1", "used", "bfv-mine", "qfbbr-two"):
        sh(f"ip link del {name}")
