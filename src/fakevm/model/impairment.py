"""What befalls the frames that an interface sends, or receives, on their way: impairments, and the shape of traffic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from .value import Value

Effect = Literal["delay", "jitter", "loss", "duplicate", "reorder", "corrupt"]
EFFECTS: tuple[Effect, ...] = get_args(Effect)
# In percent, of all frames; the other two are in seconds.
CHANCES: tuple[Effect, ...] = ("loss", "duplicate", "reorder", "corrupt")
LONGEST_DELAY = 10.0
"""Seconds: frames that are on their way are waited for before a delay is taken away."""

# An Ethernet frame's header; its checksum is never seen.
FRAME_HEADER = 14
LEAST_RATE = 1.0
"""kbit/s."""


class Impairment(Value):
    """What befalls frames: ``delay`` and ``jitter`` are in seconds, the others in percent of the frames.

    Each frame is held for ``delay``, more or less by up to ``jitter``; ``reorder`` lets so many go at once, before
    those that wait.
    """

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0

    @property
    def named(self) -> dict[Effect, float]:
        """What of it there is."""
        return {effect: value for effect in EFFECTS if (value := getattr(self, effect))}

    @property
    def words(self) -> str:
        """Say it as a lab file does; empty when there is nothing."""
        return ", ".join(_words(effect, value) for effect, value in self.named.items())

    def problem(self) -> str:
        """Say why this cannot be; empty when it can."""
        for effect in EFFECTS:
            value = getattr(self, effect)
            most = 100.0 if effect in CHANCES else LONGEST_DELAY
            if not 0 <= value <= most:
                unit = "%" if effect in CHANCES else "s"
                return f"{effect} is {value:g} {unit}, and must be from 0 to {most:g} {unit}"
        if self.jitter > self.delay:
            return f"{_words('jitter', self.jitter)} is more than the delay ({_milliseconds(self.delay)})"
        if self.reorder and not self.delay:
            return "reorder needs a delay: frames that go at once overtake those that wait"
        return ""


class TokenBucket(Value):
    """A rate in kbit/s of Ethernet frames. ``burst`` is in bytes, 0: as fits; ``latency``: so long (s) frames wait."""

    rate: float
    burst: int = 0
    latency: float = 0.05


class TrafficClass(Value):
    """A part of the traffic, and its ``share`` (percent) of the rate; one without ports and protocol has the rest."""

    share: float
    protocol: Literal["tcp", "udp"] | None = None
    sport: int | None = None
    dport: int | None = None

    @property
    def is_rest(self) -> bool:
        """Whether it has what no other class has."""
        return self.protocol is None and self.sport is None and self.dport is None


class Hierarchy(Value):
    """A rate in kbit/s that classes share; what one does not use the others may."""

    rate: float
    classes: tuple[TrafficClass, ...]


class Shape(Value):
    """How fast frames go: by one of the kernel's queues, ``tbf`` or ``htb``; neither is as fast as can be."""

    tbf: TokenBucket | None = None
    htb: Hierarchy | None = None

    def __bool__(self) -> bool:
        return bool(self.tbf or self.htb)

    @property
    def words(self) -> str:
        """Say it in short; empty when there is none."""
        if self.tbf:
            return f"tbf {_rate(self.tbf.rate)}"
        if self.htb:
            return f"htb {_rate(self.htb.rate)}, {'/'.join(f'{each.share:g}' for each in self.htb.classes)} %"
        return ""

    def problems(self, mtu: int) -> Iterator[str]:
        """Say why this cannot be, on a device of this MTU."""
        if self.tbf and self.htb:
            yield "tbf and htb are two ways to shape: give one"
        for way in (self.tbf, self.htb):
            if way and way.rate < LEAST_RATE:
                yield f"a rate of {way.rate:g} kbit/s is less than {LEAST_RATE:g} kbit/s"
        if self.tbf and self.tbf.burst and self.tbf.burst < mtu + FRAME_HEADER:
            yield (
                f"with a burst of {self.tbf.burst} bytes no frame of {mtu + FRAME_HEADER} ever passes:"
                f" the MTU is {mtu}, and its header has {FRAME_HEADER}"
            )
        if self.htb:
            yield from _class_problems(self.htb)


class Conditions(Value):
    """What happens to the frames of one direction."""

    impair: Impairment = Impairment()
    shape: Shape = Shape()

    def __bool__(self) -> bool:
        return bool(self.impair.named or self.shape)

    @property
    def words(self) -> str:
        """Say it in short; empty when nothing happens."""
        return "; ".join(filter(None, (self.impair.words, self.shape.words)))

    def problem(self, mtu: int) -> str:
        """Say why this cannot be, on a device of this MTU; empty when it can."""
        return self.impair.problem() or next(self.shape.problems(mtu), "")


class Change(Value):
    """What is to be another in the conditions of one direction; what is not named stays."""

    impair: dict[Effect, float] = {}
    shape: Shape | None = None

    def of(self, before: Conditions) -> Conditions:
        """Give the conditions as they are then."""
        return Conditions(
            impair=before.impair.model_copy(update={str(effect): value for effect, value in self.impair.items()}),
            shape=before.shape if self.shape is None else self.shape,
        )


NOTHING = Change(impair=dict.fromkeys(EFFECTS, 0.0))
"""Takes all impairments away; the shape stays."""


def whole(conditions: Conditions) -> Change:
    """Give the change that makes conditions just these."""
    return Change(impair={effect: getattr(conditions.impair, effect) for effect in EFFECTS}, shape=conditions.shape)


def _class_problems(htb: Hierarchy) -> Iterator[str]:
    if not htb.classes:
        yield "htb has no classes: give at least one share"
    if (total := sum(each.share for each in htb.classes)) > 100:
        yield f"the shares of the classes are {total:g} % together, more than there is"
    if sum(each.is_rest for each in htb.classes) > 1:
        yield "two classes have all the rest: say a port of one of them (dport, sport), or its protocol"
    for each in htb.classes:
        if each.share <= 0 or htb.rate * each.share / 100 < LEAST_RATE:
            yield f"a share of {each.share:g} % of {_rate(htb.rate)} is less than {LEAST_RATE:g} kbit/s"


def _words(effect: Effect, value: float) -> str:
    return f"{effect} {value:g} %" if effect in CHANCES else f"{effect} {_milliseconds(value)}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:g} ms"


def _rate(kilobits: float) -> str:
    return f"{kilobits / 1000:g} Mbit/s" if kilobits >= 1000 else f"{kilobits:g} kbit/s"
