"""What a backend gives a lab. Installed ones are found by the entry-point group ``fakevm.backends``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.metadata import entry_points

from fakevm.errors import NotFound
from fakevm.model.plan import HostPlan, LabPlan
from fakevm.model.program import Program

Ini = Mapping[str, Mapping[str, object]]

GROUP = "fakevm.backends"


class Backend(ABC):
    """The pure description of a backend's part of a lab; nothing here does I/O.

    Paths in configuration are as seen in the lab: its folder is ``/run/fakevm``, a host's ``/run/fakevm/hosts/<host>``.
    """

    @abstractmethod
    def ml2(self, plan: LabPlan) -> Ini:
        """Give the sections of the server's ``ml2.ini``."""

    @abstractmethod
    def agent_settings(self, plan: LabPlan, host: HostPlan) -> Ini:
        """Give the sections of ``agent.ini``, which all Neutron agents of a host read."""

    @abstractmethod
    def host_files(self, plan: LabPlan, host: HostPlan) -> dict[str, str]:
        """Give the files of a host: name in the host's folder → text."""

    @abstractmethod
    def host_programs(self, plan: LabPlan, host: HostPlan) -> tuple[Program, ...]:
        """Give the programs of a host. Those that are ``held`` start once Neutron's server serves."""

    @abstractmethod
    def agents(self, plan: LabPlan, host: HostPlan) -> tuple[str, ...]:
        """Name the binaries whose agents Neutron must report alive before the host is ready."""


def load(name: str) -> Backend:
    """Load an installed backend. Raises NotFound, naming those that are installed."""
    installed = {point.name: point for point in entry_points(group=GROUP)}
    if name not in installed:
        raise NotFound(
            f"there is no backend {name!r}",
            hint=f"Installed backends: {', '.join(sorted(installed)) or 'none'}.",
        )
    backend: Backend = installed[name].load()()
    return backend
