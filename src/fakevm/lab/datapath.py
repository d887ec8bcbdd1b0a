"""Whether the hosts' switches forward in the kernel or in user space."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from fakevm.errors import Prerequisite
from fakevm.linux import permission
from fakevm.model.labfile import Datapath

MODULE = Path("/sys/module/openvswitch")


def choose(wanted: Datapath, *, open_vswitch: bool = True) -> bool:
    """Decide for the kernel datapath where the machine has it. Raises Prerequisite.

    ``open_vswitch``: the switches are Open vSwitches; others forward in the kernel only.
    """
    if not open_vswitch:
        return True
    kernel = wanted != "userspace" and _kernel_has_it()
    if wanted == "kernel" and not kernel:
        raise Prerequisite(
            "this machine's kernel has no openvswitch module",
            hint="Use 'datapath: userspace' (or auto), or install the module.",
        )
    if not kernel:
        _need_tun()
    return kernel


def _kernel_has_it() -> bool:
    if not MODULE.exists():
        # Harmless where it is not allowed; a container may not even have modprobe, and a user's PATH lacks its folder.
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(["modprobe", "-q", "openvswitch"], capture_output=True, check=False)
    return MODULE.exists()


def _need_tun() -> None:
    try:
        permission.try_tun()
    except OSError as exc:
        raise Prerequisite(
            f"Open vSwitch's userspace datapath needs {permission.TUN}: {exc.strerror}",
            hint=f"Distributions ship it with mode 0666; as root: chmod 0666 {permission.TUN}",
        ) from exc
