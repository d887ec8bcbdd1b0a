"""Names and QoS rules in a lab that runs: what guests see, what changes while others go on, what an export has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Lab, Labs
from .pings import pinging

pytestmark = [pytest.mark.lab, pytest.mark.slow]

LAB = """\
name: words
backend: BACKEND
hosts: {host1: {roles: [compute, dhcp]}, host2: {}}
networks: {private: {dns_domain: net.test, subnets: {private4: {cidr: 10.0.0.0/24}}}}
qos_policies:
  marked: {dscp_mark: 26, bandwidth_limits: [{rate: 5 Mbit/s}], minimum_bandwidths: [{rate: 1 Mbit/s}]}
  few: {packet_rate_limits: [{rate: 1 kpps}]}
security_groups: {open: {rules: [{protocol: icmp}, {protocol: tcp}, {protocol: udp}]}}
guests:
  web: {host: host1, ports: [{network: private, dns_name: www, qos_policy: marked, security_groups: [open]}]}
  far: {host: host2, ports: [{network: private, security_groups: [open]}]}
  talker: {host: host1, ports: [{network: private, qos_policy: few, security_groups: [open]}]}
  other1: {host: host1, ports: [{network: private, security_groups: [open], fixed_ips: [10.0.0.11]}]}
  other2: {host: host2, ports: [{network: private, security_groups: [open], fixed_ips: [10.0.0.12]}]}
checks:
  by name: {kind: command, from: far, run: ping -4 -c 1 -w 20 www, within: 60s}
  as its guest: {kind: command, from: web, run: ping -4 -c 1 -w 20 far.lab.test, within: 60s}
  mark: {kind: dscp, from: web, to: far, mark: 26, within: 60s}
  no mark: {kind: dscp, from: far, to: web, mark: 0, within: 60s}
  rate: {kind: bandwidth, from: web, to: far, rate: 5 Mbit/s, tolerance: 20 %, within: 60s}
  packets: {kind: packets, from: talker, to: far, rate: 1 kpps, tolerance: 15 %, within: 60s}
"""
CHANGES = (
    ("dns_name: www", "dns_name: ftp"),
    ("ping -4 -c 1 -w 20 www", "ping -4 -c 1 -w 20 ftp"),
    ("net.test", "more.test"),
    ("dscp_mark: 26", "dscp_mark: 10"),
    ("mark: 26,", "mark: 10,"),
    ("rate: 5 Mbit/s", "rate: 8 Mbit/s"),
    ("rate: 1 kpps", "rate: 2 kpps"),
)


def edited(text: str) -> str:
    for old, new in CHANGES:
        text = text.replace(old, new)
    return text


def checked(lab: Lab, **statuses: str) -> None:
    """Look that all checks are met but for those of which another status is told."""
    rows = {row["name"]: row for row in json.loads(lab.fakevm("check", "-f", "json").stdout)}
    wanted = {name: statuses.get(name, "met") for name in rows}
    assert {name: row["status"] for name, row in rows.items()} == wanted, rows


def rows(done: Any) -> list[tuple[str, str, str]]:
    assert done.returncode == 0, done.stderr
    return [(step["action"], step["kind"], step["name"]) for step in json.loads(done.stdout)]


@pytest.mark.parametrize(("backend", "lacks"), [("ovs", {}), ("ovn", {"packets": "skipped"})])
def test_what_guests_see_and_what_changes_while_others_go_on(
    backend: str, lacks: dict[str, str], labs: Labs, tmp_path: Path
) -> None:
    file = labs.folder / "words.yaml"
    file.write_text(LAB.replace("BACKEND", backend))
    up = labs.fakevm("lab", "up", str(file))
    assert up.returncode == 0, up.stderr
    lab = Lab(labs, labs.record("words"))
    checked(lab, **lacks)
    assert lab.fakevm("lab", "diff", "--exit-code").returncode == 0

    file.write_text(edited(file.read_text()))
    other = next(row["vif_id"] for row in lab.told("list") if row["name"] == "other1")
    with pinging(lab, other, "10.0.0.12", 0.1, tmp_path) as pings:
        steps = rows(lab.fakevm("lab", "apply", str(file), "-f", "json"))
    assert pings.lost() == []
    assert {action for action, *_ in steps} == {"change"}
    assert {("change", "port", "web"), ("change", "network", "private"), ("change", "DSCP mark", "marked")} <= set(
        steps
    )
    checked(lab, **lacks)
    assert lab.fakevm("lab", "diff", "--exit-code").returncode == 0
    renamed = lab.openstack("port", "set", "web", "--dns-name", "hidden")
    assert renamed.returncode == 0, renamed.stderr
    (row,) = json.loads(lab.fakevm("lab", "diff", "-f", "json").stdout)
    assert (row["state"], row["kind"], row["name"], row["difference"]["attribute"]) == (
        "changed", "port", "web", "dns_name",
    )  # fmt: skip

    exported = lab.fakevm("lab", "export").stdout
    assert lab.fakevm("lab", "down", "words").returncode == 0
    again = labs.up_from("again", exported)
    checked(again, **lacks)
    assert again.fakevm("lab", "export").stdout == exported.replace("name: words", "name: again")
    assert labs.fakevm("lab", "down", "again").returncode == 0
