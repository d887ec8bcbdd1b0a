"""Names of other things in the file: the file must have them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from heapq import nsmallest
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ValidationInfo

from .word import device_name, pair_address

Model = TypeVar("Model", bound=BaseModel)

_MOST_COMPARED = 50
_MOST_NAMED = 10


def suggestion(word: str, known: Sequence[str]) -> str:
    """Say which of the known words was meant, or which there are."""
    # To compare with thousands takes long, and it is done for each word that is wrong.
    near = get_close_matches(word[:100], known[:_MOST_COMPARED], n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    more = ", …" if len(known) > _MOST_NAMED else ""
    return f"There are: {', '.join(known[:_MOST_NAMED])}{more}." if known else ""


def no_such(kind: str, word: str, known: Sequence[str]) -> str:
    """Say that there is no such thing, and which was meant or which there are, if there are any."""
    return ". ".join(filter(None, (f"there is no {kind} {word!r}", suggestion(word, known))))


def subnets_of(network: str) -> str:
    """Name the kind of thing that the subnets of a network are, by their CIDRs."""
    return f"subnet of {network}"


class RefersTo:
    """Compare a name with those that there are, most of them in the file; pydantic's context has them, if any."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds

    def __call__(self, name: str, info: ValidationInfo) -> str:
        context: Mapping[str, Collection[str]] = info.context or {}
        # A kind whose names cannot be read is told of where it stands.
        if any(kind not in context or name in context[kind] for kind in self.kinds):
            return name
        known = {known for kind in self.kinds for known in context[kind]}
        # Sorting thousands takes long, and it is done for each name that is wrong.
        raise ValueError(no_such(" or ".join(self.kinds), name, nsmallest(_MOST_COMPARED, known)))


def _address_or(
    check: Callable[[str, ValidationInfo], str], address: Callable[[str], object] = ipaddress.ip_address
) -> Callable[[str, ValidationInfo], str]:
    def choose(words: str, info: ValidationInfo) -> str:
        try:
            return str(address(words))
        except ValueError:
            return check(words, info)

    return choose


def _destination(words: str) -> object:
    return ipaddress.ip_network(words) if "/" in words else ipaddress.ip_address(words)


def _on_host_or(check: Callable[[str, ValidationInfo], str]) -> Callable[[str, ValidationInfo], str]:
    """Compare the host of ``HOST/PROGRAM``; which programs it has is known when it runs."""
    of_host = RefersTo("host")

    def choose(words: str, info: ValidationInfo) -> str:
        host, slash, program = words.partition("/")
        if not slash:
            return check(words, info)
        if not program:
            raise ValueError(f"which program of {host}? Write it as `fakevm lab status` does: {host}/ovs-vswitchd")
        of_host(host, info)
        return words

    return choose


def _end(words: str, info: ValidationInfo) -> str:
    """Compare the guest of ``GUEST:INTERFACE``."""
    guest, _, device = words.partition(":")
    if not guest or not device:
        raise ValueError(f"{words!r} names no interface of a guest: write it as GUEST:INTERFACE, such as r1:eth1")
    RefersTo("guest")(guest, info)
    return f"{guest}:{device_name(device)}"


CarrierName = Annotated[str, AfterValidator(RefersTo("carrier"))]
BackendName = Annotated[str, AfterValidator(RefersTo("backend"))]
PhysicalNetworkRef = Annotated[str, AfterValidator(RefersTo("physical network"))]
# A program as `fakevm lab status` names it: neutron-api, compute1/neutron-openvswitch-agent.
ProgramRef = Annotated[str, AfterValidator(_on_host_or(RefersTo("program")))]
HostOrProgramRef = Annotated[str, AfterValidator(_on_host_or(RefersTo("host", "program")))]
HostRef = Annotated[str, AfterValidator(RefersTo("host"))]
ComputeHostRef = Annotated[str, AfterValidator(RefersTo("compute host"))]
NetworkRef = Annotated[str, AfterValidator(RefersTo("network"))]
ExternalNetworkRef = Annotated[str, AfterValidator(RefersTo("external network"))]
SubnetRef = Annotated[str, AfterValidator(RefersTo("subnet"))]
SecurityGroupRef = Annotated[str, AfterValidator(RefersTo("security group"))]
QosPolicyRef = Annotated[str, AfterValidator(RefersTo("QoS policy"))]
BridgeRef = Annotated[str, AfterValidator(RefersTo("bridge"))]
GuestRef = Annotated[str, AfterValidator(RefersTo("guest"))]
# An end of a link: GUEST:INTERFACE.
EndRef = Annotated[str, AfterValidator(_end)]
# What a check's packets go to: by name, or by an address.
TargetRef = Annotated[str, AfterValidator(_address_or(RefersTo("guest", "floating IP", "client", "port")))]
# What an address pair is for: an address, a network, or a port without a guest.
PairRef = Annotated[str, AfterValidator(_address_or(RefersTo("port"), pair_address))]
# Which port is meant: of a guest, by its network; or one without a guest.
PortChoiceRef = Annotated[str, AfterValidator(RefersTo("network", "port"))]
# What a route leads to: a guest, an address, or a network.
RouteRef = Annotated[str, AfterValidator(_address_or(RefersTo("guest"), _destination))]
SourceRef = Annotated[str, AfterValidator(RefersTo("guest", "client"))]
# Where a command runs.
PlaceRef = Annotated[str, AfterValidator(RefersTo("host", "guest", "client"))]


# -- what is left of a file when something in it is not there any more -----------------------------------------


def forgetting(value: Model, kinds: frozenset[str]) -> Model:
    """Give a value as it is without its references to resources of some kinds, in whatever it holds."""
    changes: dict[str, Any] = {}
    for name, info in type(value).model_fields.items():
        now = getattr(value, name)
        wanted = None if _may_be_none(info.annotation, kinds) else _forgetting_within(now, kinds)
        if wanted is not now:
            changes[name] = wanted
    return value.model_copy(update=changes) if changes else value


def _forgetting_within(value: Any, kinds: frozenset[str]) -> Any:
    """Look into mappings and lists; what changes nothing is given back as it is."""
    if isinstance(value, BaseModel):
        return forgetting(value, kinds)
    if isinstance(value, dict):
        new = {key: _forgetting_within(item, kinds) for key, item in value.items()}
        return new if any(new[key] is not value[key] for key in value) else value
    if isinstance(value, tuple):
        items = tuple(_forgetting_within(item, kinds) for item in value)
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value


def _may_be_none(annotation: Any, kinds: frozenset[str]) -> bool:
    """Tell whether a field that may be None refers to such resources: by a name, or a list of names."""
    return type(None) in get_args(annotation) and any(checked <= kinds for checked in _checked(annotation))


def _checked(annotation: Any) -> Iterator[frozenset[str]]:
    for part in get_args(annotation):
        check = getattr(part, "func", None)
        if isinstance(check, RefersTo):
            yield frozenset(check.kinds)
        yield from _checked(part)
