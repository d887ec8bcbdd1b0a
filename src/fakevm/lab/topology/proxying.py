"""Routers that may proxy: what a proxy needs there, before it is made.

An L3 agent that hears of a proxy while it prepares the router for such loses it (neutron 29.0.0,
NDPProxyAgentExtension._handle_notification; docs/findings/0013-an-ndp-proxy-of-a-router-that-is-not-prepared-yet.md).
"""

from __future__ import annotations

from collections.abc import Collection

from fakevm.errors import CommandFailed, LabFailed
from fakevm.lab import fault, sandbox
from fakevm.linux import process
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.waiting import remains

# Names the routers of a host whose filter has the agent's chain for proxies.
_LIST = (
    'for name in $(ip netns list | grep -oE "^qrouter-[^ ]+"); do'
    ' if ip netns exec "$name" ip6tables-save -t filter | grep -q -- "-NDP "; then echo "$name"; fi; done'
)


def wait(record: LabRecord, lab: LabFile, routers: Collection[str], timeout: float) -> str:
    """Wait until agents have prepared routers, by their ids, for proxies; say what is not.

    :param timeout: seconds
    """
    away = fault.away(record)
    hosts = [name for name, host in lab.hosts.items() if "l3" in host.roles and name not in away]
    if not hosts or not routers:
        return ""

    def missing() -> str:
        ready = {line.removeprefix("qrouter-") for host in hosts for line in _prepared(record, host)}
        return ", ".join(sorted(set(routers) - ready))

    left = remains(missing, timeout, pause=0.3)
    return f"no agent has prepared these routers for NDP proxies yet: {left}" if left else ""


def _prepared(record: LabRecord, host: str) -> list[str]:
    try:
        return process.run([*sandbox.enter_host(record, host), "sh", "-c", _LIST]).split()
    except (CommandFailed, LabFailed):  # the host was killed: that is told by others
        return []
