"""What befalls frames, in a lab file: impairments and shapes, of a link or of one interface."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from fakevm.model.impairment import EFFECTS, Conditions, Hierarchy, Impairment, Shape, TokenBucket, TrafficClass
from fakevm.model.value import Value

from .reference import GuestRef
from .word import Delay, Duration, Percent, PortNumber, Rate, WordValue

IMPAIR = (
    "What befalls its frames, both ways: `delay`, `jitter`, `loss`, `duplicate`, `reorder`, `corrupt`; the same below "
    "`sent` or `received` for one way."
)
SHAPE = "How fast its frames go: `tbf` or `htb`; below `upload` or `download` for one way."


class ImpairmentFile(Value):
    """What befalls frames; what is None is not said."""

    delay: Delay | None = Field(default=None, description="How long each frame is held, such as `25 ms`; 10 s at most.")
    jitter: Delay | None = Field(
        default=None, description="By up to so much more, or less, at random: `5 ms`. Frames may overtake one another."
    )
    loss: Percent | None = Field(default=None, description="So many of the frames are lost, at random: `1 %`.")
    duplicate: Percent | None = Field(default=None, description="So many come twice.")
    reorder: Percent | None = Field(
        default=None, description="So many go at once, before those that wait. Needs a `delay`."
    )
    corrupt: Percent | None = Field(default=None, description="So many have one bit turned over.")

    def over(self, below: Impairment) -> Impairment:
        """Give what is said here, and of the rest what is below."""
        said = {str(effect): value for effect in EFFECTS if (value := getattr(self, effect)) is not None}
        return below.model_copy(update=said)


class LinkImpairmentFile(ImpairmentFile):
    """What befalls a link's frames: of both directions, and beside it of those that one guest sends."""

    model_config = ConfigDict(populate_by_name=True)

    source: dict[GuestRef, ImpairmentFile] = Field(
        default={}, alias="from", description="By the guest that sends them: the same keys, for one direction."
    )

    def sent_by(self, guest: str) -> Impairment:
        """Say what befalls the frames that a guest sends."""
        return self.source.get(guest, ImpairmentFile()).over(self.over(Impairment()))


class InterfaceImpairmentFile(ImpairmentFile):
    """What befalls an interface's frames: both those that it sends and those that it receives, or only one of them."""

    sent: ImpairmentFile = Field(default=ImpairmentFile(), description="The same keys, for what it sends.")
    received: ImpairmentFile = Field(default=ImpairmentFile(), description="The same keys, for what it receives.")


class TokenBucketFile(WordValue):
    """A rate, by a token bucket. As one word: the rate."""

    word_field: ClassVar[str] = "rate"

    rate: Rate = Field(description="In kbit/s, or with a unit: `10 Mbit/s`. It counts the bytes of Ethernet frames.")
    burst: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        default=None,
        description="So many bytes may go at once; no fewer than a frame has. By default what passes in 5 ms, two "
        "frames at least.",
    )
    latency: Annotated[Duration, Field(le=60)] = Field(
        default=0.05, description="So long a frame may wait; what comes when more is waiting is lost."
    )


class TrafficClassFile(Value):
    """A part of the traffic, and its share of the rate."""

    share: Annotated[Percent, Field(gt=0)] = Field(
        description="Its share of the rate in percent; it may have more while others leave some."
    )
    protocol: Literal["tcp", "udp"] | None = Field(default=None, description="`tcp` or `udp`; by default both.")
    sport: PortNumber | None = Field(default=None, description="The port that it comes from.")
    dport: PortNumber | None = Field(
        default=None, description="The port that it goes to. A class without ports and protocol has all the rest."
    )


class HierarchyFile(Value):
    """A rate that classes of traffic share."""

    rate: Rate = Field(description="Of all classes together, as above.")
    classes: tuple[TrafficClassFile, ...] = Field(
        min_length=1,
        max_length=100,
        description="A list of `share`, `protocol`, `sport`, `dport`. The first that fits counts.",
    )


class ShapeFile(Value):
    """How fast frames go: by one of the kernel's queues."""

    tbf: TokenBucketFile | None = Field(default=None, description="A token bucket: `rate`, `burst`, `latency`.")
    htb: HierarchyFile | None = Field(default=None, description="A `rate`, shared by `classes`.")

    @property
    def made(self) -> Shape:
        """Give the shape."""
        return Shape(tbf=_bucket(self.tbf) if self.tbf else None, htb=_hierarchy(self.htb) if self.htb else None)


class LinkShapeFile(ShapeFile):
    """How fast a link's frames go, in either direction, or those that one guest sends."""

    model_config = ConfigDict(populate_by_name=True)

    source: dict[GuestRef, ShapeFile] = Field(
        default={}, alias="from", description="By the guest that sends them: `tbf` or `htb`, for one direction."
    )

    def sent_by(self, guest: str) -> Shape:
        """Say how fast the frames go that a guest sends."""
        return self.source.get(guest, self).made


class InterfaceShapeFile(ShapeFile):
    """How fast an interface's frames go: those of either direction, or of one."""

    upload: ShapeFile | None = Field(default=None, description="`tbf` or `htb`, for what it sends.")
    download: ShapeFile | None = Field(default=None, description="`tbf` or `htb`, for what it receives.")


def conditions(impair: InterfaceImpairmentFile, shape: InterfaceShapeFile) -> tuple[Conditions, Conditions]:
    """Give what befalls the frames that an interface sends, and those that it receives."""
    both = impair.over(Impairment())
    return (
        Conditions(impair=impair.sent.over(both), shape=(shape.upload or shape).made),
        Conditions(impair=impair.received.over(both), shape=(shape.download or shape).made),
    )


def _bucket(file: TokenBucketFile) -> TokenBucket:
    return TokenBucket(rate=file.rate, burst=file.burst or 0, latency=file.latency)


def _hierarchy(file: HierarchyFile) -> Hierarchy:
    return Hierarchy(rate=file.rate, classes=tuple(TrafficClass(**each.model_dump()) for each in file.classes))
