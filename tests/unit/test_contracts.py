"""The contract of backends' descriptions: of all installed ones, and of one in a package of its own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakevm.backend import base as backends
from fakevm.backend.ovs import OvsBackend
from fakevm.testing.contracts import DescriptionContract
from fakevm.testing.contracts.description import plan_of

for name in sorted(backends.installed()):
    globals()[f"Test{name.capitalize()}"] = type(f"Test{name.capitalize()}", (DescriptionContract,), {"backend": name})


class TestToy(DescriptionContract):
    backend = "toy"

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def installed(cls, toy_folder: Path) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patched:
            patched.syspath_prepend(str(toy_folder))
            importlib.invalidate_caches()
            yield

    def test_neutron_finds_its_driver_where_it_is_installed(self, toy_folder: Path) -> None:
        assert backends.load("toy").environment() == {"PYTHONPATH": str(toy_folder)}


class Bad(OvsBackend):
    """Does all that a description must not."""

    idle_roles = {"dhcp": "no reason to have an agent for it, too"}
    lacks = {"tunnels": " "}

    def ml2(self, plan: Any) -> Any:
        Path("/dev/null").write_text("")
        return super().ml2(plan)

    def server_settings(self, plan: Any) -> Any:
        return {"DEFAULT": {"service_plugins": "qos\n[twice]\n[twice]"}}

    def host_files(self, plan: Any, host: Any) -> dict[str, str]:
        return {"neutron.conf": ""}

    def host_programs(self, plan: Any, host: Any) -> Any:
        return super().host_programs(plan, host) * 2


@pytest.mark.parametrize(
    "test",
    [
        "test_what_it_lacks_has_reasons",
        "test_idle_roles_have_reasons",
        "test_it_gives_the_same_each_time_and_does_no_io",
        "test_its_settings_can_be_written",
        "test_its_programs_have_names_of_their_own",
        "test_its_files_are_its_own",
    ],
)
def test_the_contract_refuses_what_is_wrong(test: str) -> None:
    plan = plan_of("ovs", OvsBackend(), kernel_datapath=False)
    given = {"description": Bad(), "plan": plan}
    method = getattr(DescriptionContract(), test)
    names = method.__code__.co_varnames[1 : method.__code__.co_argcount]
    with pytest.raises(Exception):  # noqa: B017 - whichever it is: an assertion, or what reads the settings
        method(**{name: given[name] for name in names})
