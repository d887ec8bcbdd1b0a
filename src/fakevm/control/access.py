"""How this command reaches Neutron and the broker: through a lab, or as any OpenStack client does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fakevm.errors import InvalidInput, NotFound, Unreachable
from fakevm.model.kind import DEFAULT_KIND, GUEST_KIND_VARIABLE
from fakevm.model.lab import LabRecord
from fakevm.model.value import Value

TRANSPORT_URL_VARIABLE = "FAKEVM_TRANSPORT_URL"
LAB_VARIABLE = "FAKEVM_LAB"
EVENTS_VARIABLE = "FAKEVM_EVENTS"
# Any of these says that the user has a cloud in mind, as openstacksdk reads them.
CLOUD_VARIABLES = ("OS_CLOUD", "OS_AUTH_URL", "OS_ENDPOINT")


class Access(Value):
    """Where Neutron and the broker are.

    Neutron is that of ``lab``; without one openstacksdk looks for ``cloud`` (or OS_* variables). ``config_files`` are
    Neutron's own and say where the broker is (``transport_url``). ``events_endpoint`` is where the events can be read
    that Neutron sends to Nova. ``guest_kind`` is how guests are made of which nothing else is said.
    """

    lab: LabRecord | None = None
    cloud: str | None = None
    transport_url: str | None = None
    config_files: tuple[str, ...] = ()
    events_endpoint: str | None = None
    guest_kind: str = DEFAULT_KIND

    @classmethod
    def of(cls, lab: LabRecord) -> Access:
        """Give the way to a lab's Neutron and broker."""
        return cls(lab=lab, transport_url=lab.transport_url)


def find_access(
    *,
    lab: str | None,
    cloud: str | None,
    config_files: Sequence[str],
    choose_lab: Callable[[str | None], LabRecord],
    environment: Mapping[str, str] = os.environ,
) -> Access:
    """Decide where Neutron and the broker are.

    A lab that is named (``lab`` or FAKEVM_LAB) comes first, then a cloud that is named (``cloud`` or OS_*), then the
    one lab that runs. ``config_files`` and FAKEVM_TRANSPORT_URL say where the broker is, whichever it is.
    ``choose_lab`` finds a running lab by its name, or the only one. Raises InvalidInput, NotFound,
    Ambiguous; Unreachable while the lab is starting.
    """
    for file in config_files:
        if not Path(file).is_file():
            raise InvalidInput(f"there is no configuration file {file}", hint="Name a readable neutron.conf.")
    lab = lab or environment.get(LAB_VARIABLE) or None
    guest_kind = environment.get(GUEST_KIND_VARIABLE)
    transport_url = environment.get(TRANSPORT_URL_VARIABLE) if not config_files else None
    if not lab and (cloud or any(environment.get(name) for name in CLOUD_VARIABLES)):
        _require_broker(transport_url, config_files)
        return Access(
            cloud=cloud,
            transport_url=transport_url,
            config_files=tuple(config_files),
            events_endpoint=environment.get(EVENTS_VARIABLE) or None,
            guest_kind=guest_kind or DEFAULT_KIND,
        )
    record = choose_lab(lab)
    if record.state == "starting":
        raise Unreachable(f"lab {record.name!r} is still starting", hint="`fakevm lab status` shows how far it is.")
    if not config_files:
        transport_url = transport_url or record.transport_url
    return Access(
        lab=record,
        transport_url=transport_url,
        config_files=tuple(config_files),
        events_endpoint=record.events_endpoint or None,
        guest_kind=guest_kind or record.guest_kind or DEFAULT_KIND,
    )


def events_endpoint(
    *,
    lab: str | None,
    choose_lab: Callable[[str | None], LabRecord],
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Decide where the events are, for those who need nothing else: a named lab's, FAKEVM_EVENTS, the one lab's.

    Raises NotFound, Ambiguous.
    """
    lab = lab or environment.get(LAB_VARIABLE) or None
    named = environment.get(EVENTS_VARIABLE)
    if named and not lab:
        return named
    record = choose_lab(lab)
    if not record.neutron:
        raise NotFound(f"lab {record.name!r} has no Neutron whose events could be shown (neutron: false in its file)")
    if not record.events_endpoint:
        raise NotFound(
            f"lab {record.name!r} keeps no events: an earlier FakeVM started it",
            hint=f"Start it anew: fakevm lab down {record.name}; fakevm lab up",
        )
    return record.events_endpoint


def _require_broker(transport_url: str | None, config_files: Sequence[str]) -> None:
    if transport_url or config_files:
        return
    raise InvalidInput(
        "a cloud is named, but nothing says where its message broker is",
        hint=f"Give --config-file with a neutron.conf, or {TRANSPORT_URL_VARIABLE}; --lab NAME to use a lab instead.",
    )
