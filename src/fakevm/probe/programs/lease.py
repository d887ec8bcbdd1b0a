"""Gets a lease by dhclient, and says what it was given; a program of its own, run in a guest.

``lease.py DEVICE FAMILY PATIENCE [stateless]`` says ``{"gets": {NAME: VALUE}, "error": ...}``, with the names that
dhclient has for options. The device stays as it is: the script that would change it only writes down. PATIENCE is in
seconds.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_CONFIGURATION = """
option tftp-server-address code 150 = array of ip-address;
option path-prefix code 210 = text;
request subnet-mask, broadcast-address, routers, interface-mtu, domain-name, domain-search, domain-name-servers,
        host-name, ntp-servers, tftp-server-name, bootfile-name, tftp-server-address, path-prefix,
        dhcp6.name-servers, dhcp6.domain-search, dhcp6.bootfile-url, dhcp6.sntp-servers;
initial-interval 1;
backoff-cutoff 2;
"""
# BOUND, BOUND6; a client that asks for no address is only told something: REBOOT, RENEW6, or no reason at all.
_SCRIPT = """#!/bin/sh
case "$reason" in
    PREINIT*|FAIL|EXPIRE*|STOP*|RELEASE*) exit 0 ;;
esac
env | sed -n 's/^new_//p' > {folder}/new && mv {folder}/new {folder}/told
"""


def lease(device: str, family: str, patience: str, *how: str) -> dict[str, Any]:
    """Run the client until it has told its script something, or for so long."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conf").write_text(_CONFIGURATION)
        (folder / "script").write_text(_SCRIPT.format(folder=folder))
        (folder / "script").chmod(0o755)
        client = subprocess.Popen(_command(folder, device, family, how), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=(folder / "words").open("w"))  # fmt: skip
        deadline = time.monotonic() + float(patience)
        try:
            while not (folder / "told").exists() and client.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            client.kill()
            client.wait()
        return _told(folder)


def _command(folder: Path, device: str, family: str, how: tuple[str, ...]) -> list[str]:
    program = shutil.which("dhclient") or "/usr/sbin/dhclient"
    words = [program, f"-{family}", *(["-D", "LL"] if family == "6" else []), *(["-S"] if how else [])]
    files = {"-cf": "conf", "-lf": "leases", "-pf": "pid", "-sf": "script"}
    return [
        *words,
        "-d",
        "-1",
        *(part for option, file in files.items() for part in (option, str(folder / file))),
        device,
    ]


def _told(folder: Path) -> dict[str, Any]:
    try:
        lines = (folder / "told").read_text().splitlines()
    except OSError:
        words = [line for line in (folder / "words").read_text(errors="replace").splitlines() if line.strip()]
        return {"gets": {}, "error": f"no lease: {words[-1][:150]}" if words else "no lease"}
    pairs = (line.partition("=") for line in lines)
    return {"gets": {name: value.strip('"') for name, _, value in pairs}, "error": ""}


if __name__ == "__main__":
    print(json.dumps(lease(*sys.argv[1:])))
