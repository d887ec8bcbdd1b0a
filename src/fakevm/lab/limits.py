"""What a lab of many hosts may lack on this machine: it is told, and the lab comes up as far as it can."""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.backend.base import Backend
from fakevm.errors import Prerequisite
from fakevm.linux import cgroup, limits
from fakevm.model.labfile import LabFile

# MB: Neutron's server, the broker, the database, with room to breathe.
_SERVICES = 1000
# Fewer hosts than this have never been a matter of limits.
_MANY = 20
# Of the broker's files, those of each host: its agents' connections. And the others that it opens.
_FILES, _OTHER_FILES = 18, 100


def refuse_unlimited(lab: LabFile) -> None:
    """Raise Prerequisite when guests are to have limits, and nobody's can be limited here."""
    limited = [name for name, guest in lab.guests.items() if guest.limits.named]
    if limited and (problem := cgroup.problem()):
        raise Prerequisite(
            f"guests cannot have limits here, as {limited[0]} is to: {problem}",
            hint="Leave out `limits`; 'fakevm doctor' says more.",
        )


def notes(lab: LabFile, backend: Backend) -> Iterator[str]:
    """Say what there may be too little of for a lab, and what to do about it."""
    number = len(lab.hosts)
    if number < _MANY:
        return
    needed, there = _SERVICES + number * backend.host_memory, limits.memory()
    if there < needed:
        yield f"{number} hosts need some {needed / 1024:.1f} GB of memory, and {there / 1024:.1f} GB are available"
    if limits.open_files() < _OTHER_FILES + _FILES * number:
        yield (
            f"the broker may open {limits.open_files()} files, fewer than {number} hosts need: raise the hard limit"
            " (ulimit -Hn)"
        )
    if 0 < limits.talkers() < number:
        yield (
            f"the kernel keeps {limits.neighbours()} neighbours, so that some {limits.talkers()} guests can all talk to"
            " one another at the same time; for more, as root: sysctl -w net.ipv4.neigh.default.gc_thresh3="
            f"{2 * number * number}"
        )
    servers = sum(subnet.dhcp for subnet in lab.subnets.values()) * sum("dhcp" in h.roles for h in lab.hosts.values())
    if 0 < limits.inotify_instances() < servers:
        yield (
            f"{servers} DHCP servers need more inotify instances than the {limits.inotify_instances()} of a user;"
            " as root: sysctl -w fs.inotify.max_user_instances=1024"
        )
