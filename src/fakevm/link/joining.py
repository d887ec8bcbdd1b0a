"""How the frames that come in by one device of the panel get to another: the one place that says so."""

from __future__ import annotations

from typing import NamedTuple

# Classic BPF that takes every frame: 'return -1', and as an action of its own 'return TC_ACT_SHOT'.
_ALL = 'bpf bytecode "1,6 0 0 4294967295" flowid 1:1'
_DROP = 'bpf da bytecode "1,6 0 0 2"'


# Behind the rule by which frames are lost (fakevm.link.filter).
PREFERENCE = 8


class Joint(NamedTuple):
    """All that comes in by ``source`` leaves by ``target``, or is dropped where that is empty; both are devices.

    ``outlet`` is the device by which it comes in again, if it has been led through others (fakevm.link.detour).
    """

    source: str
    target: str = ""
    outlet: str = ""


def steps(joint: Joint) -> tuple[str, ...]:
    """Write the ``tc`` commands, for ``tc -batch`` in the panel, that make a joint in the place of the one before.

    The rule is replaced in one step: no frame goes the old way and the new one, or neither.
    """
    how = f"{_ALL} action mirred egress redirect dev {joint.target}" if joint.target else _DROP
    device = joint.outlet or joint.source
    return (
        f"qdisc replace dev {device} clsact",
        f"filter replace dev {device} ingress pref {PREFERENCE} handle 0x1 protocol all {how}",
    )
