"""Rules where frames enter or leave a device, as commands of ``tc``: pure.

Classic BPF can draw lots (SKF_AD_RANDOM) and knows a packet's mark, and what it returns may be the verdict itself. So
the rules need no more than links need anyhow: cls_bpf and act_mirred.
"""

from __future__ import annotations

from typing import Literal

Hook = Literal["ingress", "egress"]

# linux/filter.h: load, jump, return; what is loaded from behind the packet.
_LD, _JEQ, _JGE, _RET = 32, 21, 53, 6
_MARK, _RANDOM = 2**32 - 0x1000 + 20, 2**32 - 0x1000 + 56
# linux/pkt_cls.h. Of a frame that is shot a sender is told (ENOBUFS); of one that is stolen it knows that it has left.
_OK, _SHOT, _STOLEN, _GO_ON = 0, 2, 4, 2**32 - 1
# Before these is the filter that silences a guest (fakevm.guest.waker), behind them the rule that joins a link.
GATE, TURN = 4, 6


def clsact(device: str) -> str:
    """Write the command that makes room for rules; what is there stays."""
    return f"qdisc replace dev {device} clsact"


def gate(device: str, hook: Hook, loss: float, mark: int) -> str:
    """Write the command that loses so many of the frames, in percent; those with the mark pass all rules."""
    code = [(_LD, 0, 0, _MARK), (_JEQ, 0, 1, mark), (_RET, 0, 0, _OK)]
    lost = _SHOT if hook == "ingress" else _STOLEN
    if loss >= 100:
        code.append((_RET, 0, 0, lost))
    elif loss > 0:
        code += [(_LD, 0, 0, _RANDOM), (_JGE, 1, 0, round(loss / 100 * 2**32)), (_RET, 0, 0, lost)]
    code.append((_RET, 0, 0, _GO_ON))
    return _rule(device, hook, GATE, f'bpf da bytecode "{_assembled(code)}"')


def turn(device: str, target: str) -> str:
    """Write the command that has all that would leave by a device leave by another one."""
    what = f'bpf bytecode "1,6 0 0 {_GO_ON}" flowid 1:1 action mirred egress redirect dev {target}'
    return _rule(device, "egress", TURN, what)


def without(device: str, preference: int) -> str:
    """Write the command that takes a rule away where frames leave."""
    return f"filter del dev {device} egress pref {preference}"


def _rule(device: str, hook: Hook, preference: int, what: str) -> str:
    """Write a rule, in the place of the one before: no frame meets both, or neither."""
    return f"filter replace dev {device} {hook} pref {preference} handle 0x1 protocol all {what}"


def _assembled(code: list[tuple[int, int, int, int]]) -> str:
    return ",".join([str(len(code)), *(" ".join(map(str, step)) for step in code)])
