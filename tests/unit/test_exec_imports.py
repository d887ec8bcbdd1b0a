"""``fakevm exec`` in a local lab may take 150 ms in all: it must not load what takes longer than that to import."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"cliff", "openstack", "oslo_config", "oslo_messaging", "pydantic", "pyroute2", "rich", "ruamel"}
NEEDED = "fakevm.cli.main, fakevm.cli.exec_parser, fakevm.cli.exec_local, fakevm.lab.registry, fakevm.lab.sandbox"


def test_exec_loads_nothing_heavy() -> None:
    code = f"import sys, {NEEDED}, fakevm.guest.namespace; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & HEAVY
