"""How fast frames leave a device: the kernel's queues, as commands of ``tc``: pure.

Rates count bytes of Ethernet frames, as the kernel's queues do.
"""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.model.impairment import FRAME_HEADER, Hierarchy, Impairment, Shape, TokenBucket, TrafficClass

# No timer of the kernel's is exact: what may pass in this time (seconds) may pass at once.
_BURST = 0.005
# A class has room for so much of what comes (seconds), and for so many frames at least.
_QUEUE, _LEAST_FRAMES = 0.05, 10
# Per cent for what is in no class, ARP say, where the classes have all.
_OTHERS = 1.0
# Faster than any device here: what waits leaves at once.
_OPEN = "100gbit"
# linux/filter.h: load a half-word or byte at X; the length of an IPv4 header; jumps; return.
_LDH, _LDB, _LDH_X, _LDX_MSH, _LDX_IMM, _JEQ, _JSET, _RET = 40, 48, 72, 177, 1, 21, 69, 6
_MATCH, _NO_MATCH = 4294967295, 0
_PROTOCOLS = {"tcp": 6, "udp": 17}


def steps(device: str, shape: Shape, mtu: int, parent: str = "root", *, there: bool = False) -> Iterator[str]:
    """Write the ``tc`` commands that shape what leaves a device; ``there``: in the place of one of the same form."""
    if shape.tbf:
        yield _bucket(device, shape.tbf, mtu, parent)
    elif shape.htb:
        yield from _hierarchy(device, shape.htb, mtu, parent)[there:]


def form(shape: Shape) -> object:
    """Give what two shapes must have in common so that one becomes the other without losing what waits."""
    return [each.model_copy(update={"share": 1.0}) for each in shape.htb.classes] if shape.htb else bool(shape.tbf)


def opened(device: str, shape: Shape) -> Iterator[str]:
    """Write the ``tc`` commands that let all leave that waits; then the queue can be taken away."""
    if shape.tbf:
        yield f"qdisc change dev {device} root handle 1: tbf rate {_OPEN} burst 10mb limit 100mb"
    elif shape.htb:
        yield f"class change dev {device} parent 1: classid 1:1 htb rate {_OPEN} ceil {_OPEN}"
        for number in range(len(_classes(shape.htb))):
            yield f"class change dev {device} parent 1:1 classid 1:{number + 10:x} htb rate {_OPEN} ceil {_OPEN}"


def netem(device: str, impairment: Impairment) -> str:
    """Write the ``tc`` command that has the kernel's own netem impair what leaves a device; a shape goes below 1:1."""
    words = [f"qdisc replace dev {device} root handle f: netem limit 100000"]
    if impairment.delay:
        words.append(f"delay {_microseconds(impairment.delay)}")
        words += [_microseconds(impairment.jitter)] if impairment.jitter else []
    for effect in ("loss", "duplicate", "reorder", "corrupt"):
        if value := getattr(impairment, effect):
            words.append(f"{effect} {value:g}%")
    return " ".join(words)


NETEM_CLASS = "parent f:1"
"""Where a shape goes that is with netem."""


def _bucket(device: str, bucket: TokenBucket, mtu: int, parent: str) -> str:
    burst = bucket.burst or max(2 * (mtu + FRAME_HEADER), round(bucket.rate * 1000 / 8 * _BURST))
    # In bytes, as tc's own latency is refused where a frame takes longer than that.
    limit = max(burst, mtu + FRAME_HEADER) + round(bucket.rate * 1000 / 8 * bucket.latency)
    return f"qdisc replace dev {device} {parent} handle 1: tbf rate {_bits(bucket.rate)} burst {burst} limit {limit}"


def _classes(htb: Hierarchy) -> list[TrafficClass]:
    """Give the classes, the last of which has the rest."""
    named = [each for each in htb.classes if not each.is_rest]
    rest = [each for each in htb.classes if each.is_rest]
    left = 100 - sum(each.share for each in htb.classes)
    return [*named, *(rest or [TrafficClass(share=max(left, _OTHERS))])]


def _hierarchy(device: str, htb: Hierarchy, mtu: int, parent: str) -> list[str]:
    """Write the commands; the first is of the queue itself, which the kernel cannot change (sch_htb has no change)."""
    classes = _classes(htb)
    rest = len(classes) - 1 + 10
    whole = _bits(htb.rate)
    found = [
        f"qdisc replace dev {device} {parent} handle 1: htb default {rest:x}",
        f"class replace dev {device} parent 1: classid 1:1 htb rate {whole} ceil {whole}",
    ]
    smallest = min(each.share for each in classes)
    for number, each in enumerate(classes, start=10):
        rate = max(htb.rate * each.share / 100, 0.008)
        # What is left over is shared as the rates are: each takes its turn with so many bytes.
        quantum = round((mtu + FRAME_HEADER) * min(each.share / smallest, 100))
        frames = max(_LEAST_FRAMES, round(rate * 1000 / 8 * _QUEUE / (mtu + FRAME_HEADER)))
        found += [
            f"class replace dev {device} parent 1:1 classid 1:{number:x}"
            f" htb rate {_bits(rate)} ceil {whole} quantum {quantum}",
            f"qdisc replace dev {device} parent 1:{number:x} handle {number:x}: pfifo limit {frames}",
        ]
        found += [
            f"filter replace dev {device} parent 1: pref {10 * number + version} handle 0x1 protocol {protocol}"
            f' bpf bytecode "{bytecode(each, version)}" flowid 1:{number:x}'
            for version, protocol in (() if each.is_rest else ((4, "ip"), (6, "ipv6")))
        ]
    return found


def bytecode(each: TrafficClass, version: int) -> str:
    """Write the classic BPF, as ``tc`` takes it, that knows the frames of a class: of TCP and UDP, in IP of a version.

    A fragment behind the first has no ports; in IPv6 what has extension headers is not looked into.
    """
    code: list[tuple[int, int | None, int | None, int]] = []

    def require(*values: int) -> None:
        """Go on if what was loaded is one of these; None is where it does not match."""
        for left, value in zip(reversed(range(len(values))), values, strict=True):
            code.append((_JEQ, left, 0 if left else None, value))

    protocols = [_PROTOCOLS[each.protocol]] if each.protocol else list(_PROTOCOLS.values())
    if version == 4:
        code += [(_LDH, 0, 0, 20), (_JSET, None, 0, 0x1FFF)]
    code.append((_LDB, 0, 0, 23 if version == 4 else 20))
    require(*protocols)
    code.append((_LDX_MSH, 0, 0, 14) if version == 4 else (_LDX_IMM, 0, 0, 40))
    for port, offset in ((each.sport, 14), (each.dport, 16)):
        if port is not None:
            code.append((_LDH_X, 0, 0, offset))
            require(port)
    code += [(_RET, 0, 0, _MATCH), (_RET, 0, 0, _NO_MATCH)]
    return _assembled(code)


def _assembled(code: list[tuple[int, int | None, int | None, int]]) -> str:
    words = [str(len(code))]
    for number, (operation, true, false, value) in enumerate(code):
        last = len(code) - number - 2
        jumps = [last if jump is None else jump for jump in (true, false)]
        words.append(f"{operation} {jumps[0]} {jumps[1]} {value}")
    return ",".join(words)


def _bits(kilobits: float) -> str:
    return f"{round(kilobits * 1000)}bit"


def _microseconds(seconds: float) -> str:
    return f"{round(seconds * 1e6)}us"
