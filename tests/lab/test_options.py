"""The options that installed releases know; no lab is needed, but Neutron's environment is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm import release
from fakevm.backend import base as backends
from fakevm.lab import host, neutron
from fakevm.lab.config import checking, effective, known, reserved
from fakevm.lab.settle.settling import Settled, settle
from fakevm.model.labfile import HostFile, LabFile

INSTALLED = [version for version in release.shipped() if release.find(version)]
# Of FakeVM's own modules; and what a plugin of keystoneauth registers when it begins.
OWN = ("openflow", "fakevm")
LATE = {("nova", "endpoint"), ("nova", "token")} | {
    ("keystone_authtoken", name) for name in ("auth_url", "username", "password", "project_name")
}


@pytest.mark.parametrize("version", INSTALLED)
def test_fakevm_sets_nothing_that_neutron_does_not_know(version: str, tmp_path: Path) -> None:
    everything = known.of("all", version)
    unknown = {
        (name, option)
        for name in ("linuxbridge", "openflow", "ovn", "ovs")
        if backends.load(name).runs_on(version)
        for option in _set(_settled(name, version), tmp_path / name)
        if not everything.find(*option) and option[0] not in OWN and option not in LATE
    }
    # 2024.2 limits no bandwidth by meters.
    assert unknown <= ({("ovs", ("ovs", "qos_meter_bandwidth"))} if version.startswith("25.") else set())


def _settled(name: str, version: str) -> Settled:
    host_file = HostFile(roles=("compute", "dhcp", "l3", "metadata"))
    lab = LabFile(backend=name, release=version, hosts={"one": host_file}, firewall=backends.load(name).firewalls[-1])
    return settle(lab, kernel_datapath=False)


def _set(settled: Settled, folder: Path) -> Iterator[tuple[str, str]]:
    """Give what FakeVM sets, by section and name."""
    plan, backend = settled.plan, settled.backend
    neutron.write(plan, backend, folder)
    for name, text in host._configuration(plan, plan.hosts[0], backend).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    programs = {word: folder / f"{word}.ini" for word in checking.agents(plan, plan.hosts[0], backend)}
    servers = (folder / "neutron" / name for name in ("neutron.conf", "ml2.ini"))
    for path in (*servers, folder / "neutron.conf", *programs.values()):
        yield from effective.read(path)


@pytest.mark.parametrize("version", INSTALLED)
def test_what_fakevm_must_set_is_called_as_neutron_calls_it(version: str) -> None:
    """Some of it only by some releases, or by none while it has other names."""
    everything = known.of("all", version)
    missing = {key for key in reserved.RESERVED if not everything.find(*key)}
    assert missing <= LATE | {
        ("DEFAULT", "bind_host"),
        ("DEFAULT", "bind_port"),
        ("vxlan", "local_ip"),
        ("DEFAULT", "ovs_integration_bridge"),
        ("database", "slave_connection"),
    }


def test_programs_know_what_libraries_list_and_what_modules_register() -> None:
    version = release.DEFAULT
    agent = known.of("ovs_agent", version)
    extensions = agent.find("AGENT", "extensions")
    assert extensions
    assert (str(extensions), extensions.kind) == ("[agent] extensions", "list value")
    assert agent.is_own("FDB", "shared_physical_device_mappings")
    assert agent.is_own("privsep_link", "thread_pool_size")
    assert not agent.is_own("ml2", "type_drivers")
    server = known.of("server", version)
    assert server.find("service_providers", "service_provider") is not None
    assert server.find("service_providers", "service_provider").kind == "multi valued"  # type: ignore[union-attr]
    rebinding = server.find("DEFAULT", "dhcp_lease_duration")
    assert rebinding
    assert (rebinding.wrong("x"), rebinding.wrong(5)) == ("takes a whole number", "")


def test_a_second_look_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was listed once is kept beside the release."""
    known.of("server", release.DEFAULT)
    known._listed.cache_clear()
    monkeypatch.setattr("subprocess.run", None)
    assert known.of("l3_agent", release.DEFAULT)
