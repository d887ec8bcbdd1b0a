"""What this user may do."""

from __future__ import annotations

import getpass
import os
import subprocess
from pathlib import Path

from fakevm.linux import cgroup
from fakevm.linux.permission import TUN, needs_user_namespace, try_tun

from .finding import Finding, Status

_PATIENCE = 10.0


def _unshare(*options: str) -> str:
    """Try to make namespaces; empty when it works, else what was said."""
    try:
        done = subprocess.run(
            ["unshare", *options, "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc)
    return done.stderr.strip() or f"exit status {done.returncode}" if done.returncode else ""


def namespaces() -> Finding:
    """Try the namespaces that a lab is made of, as this user makes them."""
    own = ["--user", "--map-root-user"] if needs_user_namespace() else []
    said = _unshare(*own, "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")
    return Finding(
        kind="permission",
        name="namespaces",
        status=Status.MISSING if said else Status.OK,
        detail=said or ("as an ordinary user, in a user namespace" if own else "as root"),
        without_it="labs",
        remedy="in a container: give it CAP_SYS_ADMIN and a writable /proc; as a user: see 'user namespaces'",
        required=True,
    )


def user_namespaces() -> Finding:
    """Try a user namespace: what an ordinary user's lab lives in."""
    said = _unshare("--user", "--map-root-user")
    return Finding(
        kind="permission",
        name="user namespaces",
        status=Status.MISSING if said else Status.OK,
        detail=said or "tried",
        without_it="labs of ordinary users",
        remedy="with sysctl -w: user.max_user_namespaces=10000, "
        "kernel.unprivileged_userns_clone=1 (Debian), "
        "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)",
        required=needs_user_namespace(),
    )


def subordinate_ids() -> Finding:
    """Try the subordinate user ids of an ordinary user."""
    said = _unshare("--user", "--map-root-user", "--map-auto")
    return Finding(
        kind="permission",
        name="subordinate ids",
        status=Status.LIMITED if said else Status.OK,
        detail=said or "tried",
        without_it="more than one user id inside an ordinary user's lab",
        remedy=f"apt-get install uidmap; usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {_user()}",
    )


def control_groups() -> Finding:
    """Try a control group that limits memory and processors."""
    said = cgroup.problem()
    return Finding(
        kind="permission",
        name="control groups",
        status=Status.LIMITED if said else Status.OK,
        detail=said or "tried",
        without_it="`limits` of guests",
        remedy="start labs where the groups around give the controllers memory and cpu, or one was delegated to you",
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())


def tun(device: Path = TUN, *, kernel_datapath: bool = False) -> Finding:
    """Open the device that Open vSwitch's userspace datapath makes its internal ports with."""
    said = ""
    try:
        try_tun(device)
    except OSError as exc:
        said = f"{device}: {exc.strerror}"
    elsewhere = "" if said or device.stat().st_mode & 0o006 == 0o006 else "only for this user: its mode is not 0666"
    return Finding(
        kind="permission",
        name=str(device),
        status=Status.MISSING if said else Status.LIMITED if elsewhere else Status.OK,
        detail=said or elsewhere or "opened",
        without_it="Open vSwitch's userspace datapath",
        remedy=f"as root: modprobe tun; chmod 0666 {device} (the mode that distributions ship)",
        required=not kernel_datapath,
    )


def check(*, kernel_datapath: bool) -> list[Finding]:
    """Try all that a lab asks of the user's rights."""
    subordinate = [subordinate_ids()] if needs_user_namespace() else []
    return [namespaces(), user_namespaces(), *subordinate, tun(kernel_datapath=kernel_datapath), control_groups()]
