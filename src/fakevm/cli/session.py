"""What a command talks to: Neutron and the agents, found from its options or from the ``openstack`` client's."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from fakevm.control import neutron
from fakevm.control.access import Access, events_endpoint, find_access
from fakevm.control.agents import Agents
from fakevm.control.expectation import Events, events_at
from fakevm.control.neutron import Neutron
from fakevm.lab import registry
from fakevm.model.lab import LabRecord


@dataclass(frozen=True)
class Session:
    """Neutron, the agents, Neutron's events if somebody receives them, and how all this was found."""

    access: Access
    neutron: Neutron
    agents: Agents
    events: Events | None = None


@contextmanager
def open_session(app: Any, lab: str | None = None) -> Iterator[Session]:
    """Find Neutron and the broker for a command of ``app``, ours or ``openstack``'s. Raises FakevmError."""
    options = app.options
    manager = getattr(app, "client_manager", None)
    access = find_access(
        lab=lab or getattr(options, "lab", None) or getattr(options, "fakevm_lab", None),
        cloud=getattr(options, "os_cloud", None),
        config_files=getattr(options, "config_files", None) or getattr(options, "fakevm_config_files", []),
        choose_lab=registry.choose,
    )
    if manager is None:
        connected = neutron.connect(access)
    else:
        from fakevm.control.cloud import Cloud

        connected = Neutron(Cloud(manager.sdk_connection))
    agents = Agents(access, connected, functools.partial(_away, access.lab) if access.lab else dict)
    lives = registry.living(access.lab) if access.lab else nullcontext()
    try:
        with lives:
            yield Session(access, connected, agents, events_at(access.events_endpoint))
    finally:
        agents.close()


def _away(lab: LabRecord) -> Mapping[str, str]:
    # Imported beside the query for agents, and by those that ask for them only.
    from fakevm.lab import fault

    return fault.away(lab)


def find_events(app: Any) -> Events:
    """Find Neutron's events: of a named lab, at FAKEVM_EVENTS, or of the one lab that runs. Raises FakevmError."""
    lab = getattr(app.options, "lab", None) or getattr(app.options, "fakevm_lab", None)
    return Events(events_endpoint(lab=lab, choose_lab=registry.choose))
