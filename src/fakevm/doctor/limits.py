"""What the kernel has only so much of, and how many hosts and guests that is good for."""

from __future__ import annotations

from fakevm.linux import limits

from .finding import Finding, Status

# What kernels and distributions allow by default, and small labs never need.
_NEIGHBOURS, _INOTIFY, _PIDS, _FILES = 1024, 128, 32768, 4096


def judge(name: str, there: int, enough: int, *, detail: str, without_it: str, remedy: str) -> Finding:
    """Say whether there is as much of something as machines commonly have; 0: the kernel does not say."""
    status = Status.LIMITED if 0 < there < enough else Status.OK
    return Finding(kind="limit", name=name, status=status, detail=detail, without_it=without_it, remedy=remedy)


def check() -> list[Finding]:
    """Look at the limits that labs of many hosts meet first."""
    neighbours, talkers, inotify = limits.neighbours(), limits.talkers(), limits.inotify_instances()
    return [
        judge(
            "neighbours",
            neighbours,
            _NEIGHBOURS,
            detail=f"{neighbours} in all namespaces: some {talkers} guests can all talk to one another at once",
            without_it="labs of many guests that all talk to one another",
            remedy="as root: sysctl -w net.ipv4.neigh.default.gc_thresh3=20000",
        ),
        judge(
            "inotify instances",
            inotify,
            _INOTIFY,
            detail=f"{inotify} for a user: so many networks with DHCP",
            without_it="labs of many networks with DHCP",
            remedy="as root: sysctl -w fs.inotify.max_user_instances=1024",
        ),
        judge(
            "processes and threads",
            limits.pids(),
            _PIDS,
            detail=f"{limits.pids()}; a host of ML2/OVS has some hundred",
            without_it="labs of many hosts",
            remedy="as root: sysctl -w kernel.pid_max=4194304",
        ),
        judge(
            "open files",
            limits.open_files(),
            _FILES,
            detail=f"{limits.open_files()} for a program",
            without_it="labs of many hosts",
            remedy="raise the hard limit: ulimit -Hn, or limits.conf(5)",
        ),
    ]
