"""The sdist of Neutron with a patched line in server and agents, beside stock agents on another host."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fakevm import release

from .conftest import until

if TYPE_CHECKING:
    from .conftest import Lab, Labs

pytestmark = [pytest.mark.lab, pytest.mark.slow]

# What each program logs when it has started, and where.
LINES = {
    "neutron-rpc-server": ("neutron/plugins/ml2/plugin.py", "Modular L2 Plugin initialization complete"),
    "neutron-openvswitch-agent": (
        "neutron/plugins/ml2/drivers/openvswitch/agent/ovs_neutron_agent.py",
        "Agent initialized successfully",
    ),
    "neutron-l3-agent": ("neutron/agent/l3/agent.py", "L3 agent started"),
    "neutron-dhcp-agent": ("neutron/agent/dhcp/agent.py", "DHCP agent started"),
}
LAB = """\
release: {path: TREE}
hosts:
  patched: {roles: [compute, dhcp, l3]}
  stock: {roles: [compute, dhcp, l3], release: VERSION}
networks: {private: {subnets: {private4: {cidr: 10.0.0.0/24}}}}
security_groups: {open: {rules: [{protocol: icmp}]}}
guests:
  vm1: {host: patched, ports: [{network: private, security_groups: [open]}]}
  vm2: {host: stock, ports: [{network: private, security_groups: [open]}]}
checks: {ping: {kind: ping, from: vm1, to: vm2, within: 60s}}
"""


@pytest.fixture(scope="module")
def tree(own_labs: Labs) -> Path:
    """Unpack Neutron's source beside the lab's file, with another word in what each program logs."""
    version = release.DEFAULT
    python = release.path(version) / "bin/python"
    words = ["-m", "pip", "download", "--no-deps", "--no-binary", "neutron", f"neutron=={version}"]
    subprocess.run([python, *words], cwd=own_labs.folder, check=True, capture_output=True, timeout=900)
    subprocess.run(["tar", "xf", f"neutron-{version}.tar.gz"], cwd=own_labs.folder, check=True)
    path = own_labs.folder / f"neutron-{version}"
    for file, line in LINES.values():
        say(path / file, line, f"{line}, patched")
    return path


def say(file: Path, old: str, new: str) -> None:
    """Change what is logged."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def lab(own_labs: Labs, tree: Path) -> Iterator[Lab]:
    """Bring up a lab whose server and one host run the tree; what was derived for it is removed."""
    file = own_labs.folder / "lab.yaml"
    file.write_text(LAB.replace("TREE", tree.name).replace("VERSION", release.DEFAULT))
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*") if path.is_file()}
    begun = time.monotonic()
    up = own_labs.up("tree", str(file))
    print(f"up: {time.monotonic() - begun:.1f} s")
    after = {path: path.stat().st_mtime_ns for path in tree.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert after == before, "something was written into the tree"
    yield up
    assert own_labs.fakevm("lab", "down", "tree").returncode == 0
    assert own_labs.fakevm("release", "remove", up.record.release).returncode == 0


def said(lab: Lab, program: str, host: str = "") -> str:
    """Give what a program has logged."""
    folder = lab.record.host_directory(host) if host else lab.record.directory
    return (folder / f"log/{program}.log").read_text()


@pytest.mark.parametrize("program", LINES)
def test_a_patched_line_is_in_the_logs_of_the_server_and_of_that_host_only(lab: Lab, program: str) -> None:
    line = LINES[program][1]
    if program == "neutron-rpc-server":
        assert f"{line}, patched" in said(lab, program)
        assert f"{line}, patched" in said(lab, "neutron-api")
        return
    assert f"{line}, patched" in said(lab, program, "patched")
    assert line in said(lab, program, "stock")
    assert f"{line}, patched" not in said(lab, program, "stock")


def test_patched_and_stock_agents_wire_one_network(lab: Lab) -> None:
    checked = lab.fakevm("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("words", [("restart", "patched/neutron-openvswitch-agent"), ("reload",)], ids=" ".join)
def test_edit_restart_look(lab: Lab, tree: Path, words: tuple[str, ...]) -> None:
    file, line = LINES["neutron-openvswitch-agent"]
    say(tree / file, f"{line}, ", f"{line}, with {words[0]} ")
    begun = time.monotonic()
    done = lab.fakevm("lab", *words)
    seconds = time.monotonic() - begun
    assert done.returncode == 0, done.stderr
    print(f"{words[0]}: {seconds:.1f} s\n{done.stdout}")
    until(lambda: f"{line}, with {words[0]} " in said(lab, "neutron-openvswitch-agent", "patched"))
    assert "from scratch" not in said(lab, "neutron-openvswitch-agent", "patched")
    assert f"with {words[0]}" not in said(lab, "neutron-openvswitch-agent", "stock")
    assert seconds < 60, "on a quiet machine it takes less than five seconds"
