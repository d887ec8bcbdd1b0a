"""An ordinary user's virtual machine: it boots, is reached, moves and is gone, with one user id and with many."""

from __future__ import annotations

import os
import subprocess

import pytest

from fakevm import tool

from . import ordinary_user
from .conftest import FAKEVM, Labs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (tool.look("qemu") and tool.look("tiny-vm")), reason="fakevm tool install qemu tiny-vm"),
    pytest.mark.skipif(
        os.geteuid() != 0 or bool(ordinary_user.cannot()), reason="only root makes users, who need rights"
    ),
]

LAB = """\
neutron: false
hosts: {host1: {}, host2: {}}
guests:
  vm1: {kind: vm, host: host1, interfaces: {eth1: {addresses: [10.9.0.1/24]}}}
  fake1: {host: host2, interfaces: {eth1: {addresses: [10.9.0.2/24]}}}
links: {core: "vm1:eth1 -- fake1:eth1"}
checks:
  to it: {kind: ping, from: fake1, to: vm1, within: 180s}
  from it: {kind: ping, from: vm1, to: fake1, within: 180s}
"""
IN_IT = f"""\
set -eu
fakevm() {{ {FAKEVM} "$@"; }}
fakevm lab up lab.yaml --name own >/dev/null
fakevm check >/dev/null
fakevm exec vm1 -- hostname
fakevm exec vm1 -- sh -c 'echo kept >/tmp/kept'
fakevm migrate host2 vm1 >/dev/null
fakevm exec vm1 -- cat /tmp/kept
fakevm check >/dev/null
fakevm lab down own
! ls "$FAKEVM_LABS"/own 2>/dev/null
"""


@pytest.mark.parametrize("subordinate", ["", ordinary_user.RANGE], ids=["one id", "a range"])
def test_it_runs_in_a_users_lab(labs: Labs, subordinate: str) -> None:
    home = labs.folder / "home"
    home.mkdir()
    (home / "lab.yaml").write_text(LAB)
    argv = ordinary_user.command(labs, home, ["sh", "-c", IN_IT], subordinate=subordinate)
    done = subprocess.run(argv, env=labs.env(), capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["vm1", "kept"]
