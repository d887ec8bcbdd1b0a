"""What the backend ovs makes of a lab file; that it works is for tests/lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakevm.backend.ovs import OvsBackend
from fakevm.lab import planning, reading, releases
from fakevm.model.labfile import LabFile

OVS = OvsBackend()
LIMIT = "qos_policies: {slow: {bandwidth_limits: [{direction: DIRECTION, rate: 10 Mbit/s}]}}\n"


def lab_of(text: str) -> LabFile:
    return releases.resolved(planning.with_hosts(reading.parse(text, "lab.yaml"), OVS))


@pytest.mark.parametrize("kernel", [True, False])
def test_meters_limit_where_policing_does_not(kernel: bool) -> None:
    lab = lab_of("")
    plan = planning.make_plan(lab, Path("/labs/x"), {lab.release: Path("/venv")}, kernel_datapath=kernel)
    assert OVS.agent_settings(plan, plan.hosts[0])["ovs"]["qos_meter_bandwidth"] is not kernel


def gaps(text: str, direction: str, *, kernel: bool = False) -> tuple[str, ...]:
    return OVS.gaps(lab_of(text + LIMIT.replace("DIRECTION", direction)), kernel_datapath=kernel)


def test_what_is_not_limited_is_said() -> None:
    [said] = gaps("hosts: {new: {}, old: {release: '2024.2'}}\n", "egress")
    assert "what guests on old send is not limited by the QoS policy slow" in said.what
    assert gaps("", "egress") == ()
    [said] = gaps("", "ingress")
    assert "from guests on the same host is not limited by the QoS policy slow" in said.what
    assert gaps("release: '2024.2'\n", "ingress") == ()


@pytest.mark.parametrize("direction", ["egress", "ingress"])
def test_the_kernel_limits_all(direction: str) -> None:
    assert gaps("hosts: {old: {release: '2024.2'}}\n", direction, kernel=True) == ()


def test_a_host_begins_with_the_tunnels_that_its_agent_will_want() -> None:
    lab = lab_of("hosts: {compute: {count: 3}}\n")
    plan = planning.make_plan(lab, Path("/labs/x"), {lab.release: Path("/venv")}, kernel_datapath=False)
    said = OVS.host_files(plan, plan.hosts[1])["switch.sh"]
    assert "add-port br-tun vxlan-c6130002 -- set interface vxlan-c6130002 type=vxlan " in said
    assert "options:local_ip=198.19.0.3 options:remote_ip=198.19.0.4" in said
    assert "vxlan-c6130003" not in said
