"""Which tests there are, and which of them are meant."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fakevm import release
from fakevm.errors import InvalidInput, NotFound
from fakevm.lab import releases
from fakevm.progress import Progress

from . import running
from .result import name_of

#: Tempest's tests have no branches: the newest ones are for all series that OpenStack still maintains, and all labs
#: have the same environment for them, which goes with the newest release.
ENVIRONMENT = release.beside("tempest", release.DEFAULT)
#: what tests Neutron's API, and needs no servers
DEFAULT = r"^(neutron_tempest_plugin\.api|tempest\.api\.network)\."
#: what tests what Neutron does with the packets of servers
SCENARIOS = (
    r"^(neutron_tempest_plugin\.scenario\."
    r"|tempest\.scenario\.test_(network_|security_groups_basic_ops|server_basic_ops|server_advanced_ops))"
)
#: of the scenarios some twenty, of each area one or two, that any lab of two hosts with an external network passes
SMOKE = (
    r"\.(test_basic_instance|test_connectivity_router_east_west_traffic|test_connectivity_through_2_routers"
    r"|test_floatingip_port_details|FloatingIpSameNetwork\.test_east_west_[14]|FloatingIpSeparateNetwork\.test_east_west_4"
    r"|test_metadata_routed|test_port_with_fixed_ip|test_previously_used_port|test_snat_external_ip"
    r"|StatefulNetworkSecGroupTest\.test_(ip_prefix|protocol_number_rule|two_sec_groups|remove_sec_grp_from_active_vm)"
    r"|test_create_instance_using_network_with_existing_policy|test_trunk_subport_lifecycle|test_network_basic_ops"
    r"|test_hotplug_nic|test_server_basic_ops)\["
)


def environment(progress: Progress) -> Path:
    """Find Tempest's virtual environment, or make it. Raises Prerequisite, Conflict, CommandFailed, TimedOut."""
    return releases.install(ENVIRONMENT, progress)


def every(venv: Path, progress: Progress) -> list[str]:
    """List the ids of all tests; they are asked for once, and kept beside the environment. Raises CommandFailed."""
    kept = venv.parent / "tests.json"
    made_of = (venv.parent / "complete").read_text().strip()
    with contextlib.suppress(OSError, ValueError, KeyError):
        known = json.loads(kept.read_text())
        if known["made_of"] == made_of:
            return list(known["tests"])
    with progress.step("listing Tempest's tests"), tempfile.TemporaryDirectory() as folder:
        found = running.listed(venv, Path(folder))
    with contextlib.suppress(OSError):
        fresh = kept.with_name(f"tests.{os.getpid()}.new")
        fresh.write_text(json.dumps({"made_of": made_of, "tests": found}))
        fresh.replace(kept)
    return found


def chosen(tests: Sequence[str], wanted: str, without: str = "") -> list[str]:
    """Choose tests by regular expressions, which are looked for in their ids.

    Raises InvalidInput: one cannot be read; NotFound: there is no such test.
    """
    seek, avoid = _read(wanted), _read(without) if without else None
    found = [test for test in tests if seek.search(test) and not (avoid and avoid.search(test))]
    if not found:
        modules = sorted({name_of(test).split(".")[0] for test in tests})
        raise NotFound(
            f"none of {len(tests)} tests is called so: {wanted}" + (f", but not {without}" if without else ""),
            hint=f"See them all: fakevm tempest --list --regex . (they begin with {' or '.join(modules)})",
        )
    return found


def _read(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except re.error as exc:
        raise InvalidInput(
            f"{expression!r} is not a regular expression: {exc}", hint="A dot stands for any character: '\\.'."
        ) from exc
