"""What a backend says of itself: complete, well-formed, and without any I/O. No lab is needed."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_args

import pytest

from fakevm import release
from fakevm.backend import base as backends
from fakevm.backend.base import Backend
from fakevm.lab import files, host, matrix, planning, reading
from fakevm.lab.matrix import Variant
from fakevm.lab.settle.settling import settle
from fakevm.model.feature import FEATURES
from fakevm.model.labfile.host import Role
from fakevm.model.plan import LabPlan
from fakevm.vif.base import VifDriver

from .features import FILE

# What a lab calls its own programs, and its hosts' files.
_TAKEN = (
    "mariadb",
    "rabbitmq",
    "neutron-api",
    "neutron-rpc-server",
    "neutron-periodic-workers",
    "neutron-fakevm-events",
)
_FILES = ("neutron.conf", "agent.ini", "config", "fakevm.ini", "dnsmasq.conf", "pid", "service", "log", "agent")

_guarded = threading.local()
_FORBIDDEN = ("subprocess.Popen", "os.system", "os.posix_spawn", "socket.connect", "os.mkdir", "os.remove", "os.rename")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse what a description must not do, while it is asked."""
    if not getattr(_guarded, "on", False):
        return
    if event in _FORBIDDEN or (event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")):
        raise AssertionError(f"the description does I/O: {event} {arguments[0]!r}")


sys.addaudithook(_watch)


@contextmanager
def _without_io() -> Iterator[None]:
    _guarded.on = True
    try:
        yield
    finally:
        _guarded.on = False


class DescriptionContract:
    """The contract of a backend's description; ``backend`` is the name of its two entry points."""

    backend: str

    @pytest.fixture(scope="class")
    @classmethod
    def description(cls) -> Backend:
        """Load the lab's half."""
        return backends.load(cls.backend)

    @pytest.fixture(scope="class", params=[False, True], ids=["userspace", "kernel"])
    @classmethod
    def plan(cls, request: pytest.FixtureRequest, description: Backend) -> LabPlan:
        """Plan the lab of the contract, as far as the backend can have it."""
        return plan_of(cls.backend, description, kernel_datapath=request.param)

    def test_both_halves_are_found_under_one_name(self) -> None:
        """The agent's half is an entry point of the group ``fakevm.agent_plugins``."""
        (found,) = entry_points(group="fakevm.agent_plugins", name=self.backend)
        driver = found.load()
        assert issubclass(driver, VifDriver)
        assert driver.vif_types
        assert not getattr(driver, "__abstractmethods__", None)

    def test_its_name_can_be_part_of_other_names(self) -> None:
        """It is written in lab files, tables and the names of labs."""
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,14}", self.backend)

    def test_it_runs_on_some_release(self, description: Backend) -> None:
        """Of those that FakeVM ships."""
        assert any(description.runs_on(version) for version in release.shipped())

    def test_what_it_lacks_has_reasons(self, description: Backend) -> None:
        """Each is a known feature; what is not named must work."""
        assert set(description.lacks) <= set(FEATURES)
        assert all(reason.strip() for reason in description.lacks.values())

    def test_idle_roles_have_reasons(self, description: Backend) -> None:
        """Each is a known role, and has no agent."""
        assert set(description.idle_roles) <= set(get_args(Role))
        assert all(reason.strip() for reason in description.idle_roles.values())
        assert not set(description.idle_roles) & set(description.role_agents)

    def test_its_programs_have_packages(self, description: Backend) -> None:
        """Each is a program's bare name, and the Debian package that has it."""
        for requirement in description.requirements:
            assert re.fullmatch(r"[\w.+-]+", requirement.program)
            assert re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", requirement.package)

    def test_its_default_hosts_make_a_lab(self, description: Backend) -> None:
        """There are two that may have guests."""
        hosts = description.default_hosts.values()
        assert sum("compute" in wanted.roles for wanted in hosts) >= 2

    def test_it_takes_the_plan_of_the_contract(self, description: Backend, plan: LabPlan) -> None:
        """With all that it does not say it lacks."""
        description.check(plan)

    def test_it_gives_the_same_each_time_and_does_no_io(self, description: Backend, plan: LabPlan) -> None:
        """The first time may import modules."""
        first = _all(description, plan)
        with _without_io():
            again = _all(description, plan)
        assert again == first

    def test_its_settings_can_be_written(self, description: Backend, plan: LabPlan) -> None:
        """As files that oslo.config reads; ml2.ini names mechanism drivers."""
        settings = [description.ml2(plan), description.server_settings(plan)]
        for host_ in plan.hosts:
            settings.append(description.agent_settings(plan, host_))
            settings += [description.own_settings(plan, host_, name) for name in description.agents_of_roles(host_)]
        for sections in settings:
            ConfigParser(interpolation=None).read_string(files.ini(sections))
        assert description.ml2(plan)["ml2"]["mechanism_drivers"]

    def test_its_server_would_start(self, description: Backend, plan: LabPlan) -> None:
        """The service plugin qos needs the extension driver qos (neutron 29.0.0, plugins/ml2/plugin.py)."""
        if "qos" in str(description.server_settings(plan)["DEFAULT"]["service_plugins"]).split(","):
            assert "qos" in str(description.ml2(plan)["ml2"].get("extension_drivers", "")).split(",")

    def test_its_programs_have_names_of_their_own(self, description: Backend, plan: LabPlan) -> None:
        """A program's name is its folder's and its log's."""
        hosts = [planned.name for planned in plan.hosts]
        ours = [program.name for program in description.lab_programs(plan)]
        assert len({*ours, *_TAKEN, *hosts}) == len(ours) + len(_TAKEN) + len(hosts)
        for planned in plan.hosts:
            programs = host.programs(plan, planned, description)
            assert len({program.name for program in programs}) == len(programs)
            for program in programs:
                assert re.fullmatch(r"[\w.-]+", program.name)
                assert program.command

    def test_its_files_are_its_own(self, description: Backend, plan: LabPlan) -> None:
        """They stand beside those of the lab in a host's folder."""
        for planned in plan.hosts:
            for name, text in description.host_files(plan, planned).items():
                assert re.fullmatch(r"[\w][\w.-]*", name)
                assert name not in _FILES
                assert not name.endswith("_agent.ini")
                assert isinstance(text, str)

    def test_agents_of_roles_are_programs_that_a_host_starts(self, description: Backend, plan: LabPlan) -> None:
        """An agent that nobody starts would be waited for in vain."""
        for planned in plan.hosts:
            started = {program.name for program in host.programs(plan, planned, description)}
            assert set(description.agents_of_roles(planned)) <= started
            assert all(description.agents(plan, planned))


def plan_of(name: str, description: Backend, *, kernel_datapath: bool) -> LabPlan:
    """Plan the lab of the contract for a backend, with the newest release that it runs with."""
    version = next(v for v in reversed(release.shipped()) if description.runs_on(v))
    lab = matrix.lab_of(reading.read(FILE), Variant(name, version))
    plan = settle(lab, kernel_datapath=kernel_datapath).plan
    return planning.placed(plan, Path("/lab"), {version: Path("/venv")})


def _all(description: Backend, plan: LabPlan) -> list[Any]:
    hosts = [
        (
            description.agent_settings(plan, host),
            description.host_files(plan, host),
            description.host_programs(plan, host),
            description.agents(plan, host),
        )
        for host in plan.hosts
    ]
    return [description.ml2(plan), description.server_settings(plan), description.lab_programs(plan), *hosts]
