"""Names of other things in the file: the file must have them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

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


def refers_to(*kinds: str) -> Callable[[str, ValidationInfo], str]:
    """Compare a name with those that there are, most of them in the file; pydantic's context has them, if any."""

    def check(name: str, info: ValidationInfo) -> str:
        context: Mapping[str, Collection[str]] = info.context or {}
        # A kind whose names cannot be read is told of where it stands.
        if any(kind not in context or name in context[kind] for kind in kinds):
            return name
        raise ValueError(
            no_such(" or ".join(kinds), name, sorted({known for kind in kinds for known in context[kind]}))
        )

    return check


def _address_or(check: Callable[[str, ValidationInfo], str]) -> Callable[[str, ValidationInfo], str]:
    def choose(words: str, info: ValidationInfo) -> str:
        try:
            return str(ipaddress.ip_address(words))
        except ValueError:
            return check(words, info)

    return choose


def _on_host_or(check: Callable[[str, ValidationInfo], str]) -> Callable[[str, ValidationInfo], str]:
    """Compare the host of ``HOST/PROGRAM``; which programs it has is known when it runs."""
    of_host = refers_to("host")

    def choose(words: str, info: ValidationInfo) -> str:
        host, slash, program = words.partition("/")
        if not slash:
            return check(words, info)
        if not program:
            raise ValueError(f"which program of {host}? Write it as `fakevm lab status` does: {host}/ovs-vswitchd")
        of_host(host, info)
        return words

    return choose


BackendName = Annotated[str, AfterValidator(refers_to("backend"))]
PhysicalNetworkRef = Annotated[str, AfterValidator(refers_to("physical network"))]
# A program as `fakevm lab status` names it: neutron-api, compute1/neutron-openvswitch-agent.
ProgramRef = Annotated[str, AfterValidator(_on_host_or(refers_to("program")))]
HostOrProgramRef = Annotated[str, AfterValidator(_on_host_or(refers_to("host", "program")))]
HostRef = Annotated[str, AfterValidator(refers_to("host"))]
ComputeHostRef = Annotated[str, AfterValidator(refers_to("compute host"))]
NetworkRef = Annotated[str, AfterValidator(refers_to("network"))]
ExternalNetworkRef = Annotated[str, AfterValidator(refers_to("external network"))]
SubnetRef = Annotated[str, AfterValidator(refers_to("subnet"))]
SecurityGroupRef = Annotated[str, AfterValidator(refers_to("security group"))]
QosPolicyRef = Annotated[str, AfterValidator(refers_to("QoS policy"))]
GuestRef = Annotated[str, AfterValidator(refers_to("guest"))]
# What a check's packets go to: by name, or by an address.
TargetRef = Annotated[str, AfterValidator(_address_or(refers_to("guest", "floating IP", "client")))]
SourceRef = Annotated[str, AfterValidator(refers_to("guest", "client"))]
# Where a command runs.
PlaceRef = Annotated[str, AfterValidator(refers_to("host", "guest", "client"))]
