"""A lab file with a router: floating IP and SNAT, tried by a client outside; metadata; what a second making does."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fakevm.lab import registry
from fakevm.lab.topology import making
from fakevm.progress import Progress

if TYPE_CHECKING:
    from .conftest import Lab, Labs

pytestmark = pytest.mark.lab

FILE = """\
physical_networks: {external: {}}
hosts:
  all: {roles: [compute, dhcp, l3, metadata]}
networks:
  public:
    {type: flat, physical_network: external, external: true, subnets: {public4: {cidr: 203.0.113.0/24, dhcp: false}}}
  private:
    subnets: {private4: {cidr: 10.0.0.0/24, dns: [192.0.2.53]}}
routers:
  r1: {interfaces: [private4], external_gateway: public}
security_groups:
  web: {rules: [{protocol: tcp, ports: 80}]}
guests:
  web1:
    ports: [{network: private, security_groups: [web]}]
    keys: {me: ssh-ed25519 AAAA me}
    user_data: "hello from the lab file"
    run:
      - command: exec socat -t30 TCP-LISTEN:80,fork,reuseaddr 'SYSTEM:echo $SOCAT_PEERADDR'
        background: true
  vm2: {ports: [private]}
floating_ips:
  web: {network: public, guest: web1, address: 203.0.113.80}
"""


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Iterator[Lab]:
    """Start the lab."""
    path = own_labs.folder / "topology.yaml"
    path.write_text(FILE)
    yield own_labs.up("topology", str(path))
    assert own_labs.fakevm("lab", "down", "topology").returncode == 0


def outside(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the client outside."""
    return lab.fakevm("lab", "exec", "outside", "--", "ip", "netns", "exec", "client", *words)


@pytest.fixture(scope="module")
def vifs(lab: Lab) -> dict[str, dict[str, Any]]:
    """Find the guests' VIFs by the addresses that Neutron knows."""
    ports = json.loads(lab.openstack("port", "list", "--tags", "fakevm", "-f", "json").stdout)
    ids = {port["ID"]: port["Name"] for port in ports}
    rows = json.loads(lab.fakevm("list", "-f", "json").stdout)
    return {ids[row["vif_id"]]: row for row in rows}


def in_guest(lab: Lab, vifs: dict[str, dict[str, Any]], guest: str, *words: str) -> subprocess.CompletedProcess[str]:
    assert guest in vifs
    return lab.fakevm("exec", guest, "--", *words)


def test_the_floating_ip_answers_the_client_outside_where_a_rule_lets_it(lab: Lab) -> None:
    answer = outside(lab, "socat", "-T30", "-t30", "-", "TCP:203.0.113.80:80,connect-timeout=5,retry=200,interval=0.3")
    assert answer.stdout.strip() == "198.51.100.10"
    refused = outside(lab, "socat", "-T2", "-", "TCP:203.0.113.80:22,connect-timeout=2")
    assert refused.returncode != 0
    assert outside(lab, "ping", "-c1", "-W2", "203.0.113.80").returncode != 0


def test_a_guest_without_one_leaves_by_snat(lab: Lab, vifs: dict[str, dict[str, Any]]) -> None:
    begun = lab.labs.begin(
        "--lab", "topology", "lab", "exec", "outside", "--", "ip", "netns", "exec", "client",
        "timeout", "120", "socat", "-t30", "TCP-LISTEN:8080,reuseaddr", "SYSTEM:echo $SOCAT_PEERADDR",
    )  # fmt: skip
    seen = in_guest(lab, vifs, "vm2", "socat", "-T30", "-t30", "-", "TCP:198.51.100.10:8080,retry=300,interval=0.2")
    begun.wait(150)
    assert seen.stdout.startswith("203.0.113.")
    assert seen.stdout.strip() not in ("203.0.113.1", "203.0.113.80")


def test_guests_learn_of_themselves_from_the_metadata_service(lab: Lab, vifs: dict[str, dict[str, Any]]) -> None:
    assert metadata(lab, vifs["web1"], "user-data") == "hello from the lab file"
    assert metadata(lab, vifs["web1"], "meta-data/public-keys/0/openssh-key") == "ssh-ed25519 AAAA me"
    assert metadata(lab, vifs["vm2"], "meta-data/hostname") == "vm2"


def metadata(lab: Lab, vif: dict[str, Any], path: str) -> str:
    """Ask the metadata service as cloud-init does."""
    url = f"http://169.254.169.254/latest/{path}"
    script = f"import urllib.request as u; print(u.urlopen({url!r}, timeout=10).read().decode(), end='')"
    # Neutron's proxy starts when the agent comes to the network.
    deadline = time.monotonic() + 120
    while (done := lab.fakevm("exec", vif["vif_id"], "--", "python3", "-c", script)).returncode:
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.5)
    return done.stdout


def ports(lab: Lab) -> str:
    """List all ports, but for their status, which may still change."""
    columns = (word for name in ("ID", "Name", "MAC Address", "Fixed IP Addresses") for word in ("-c", name))
    done = lab.openstack("port", "list", "--sort-column", "ID", *columns, "-f", "value")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_there_is_not_made_again(lab: Lab) -> None:
    wanted = registry.lab_file(lab.record)
    before = ports(lab)
    making.make(wanted, lab.record, Progress(), 60)
    assert ports(lab) == before


def test_a_file_with_eleven_mistakes_gets_eleven_errors_and_starts_nothing(
    labs: Labs, untouched: Callable[[], None]
) -> None:
    path = Path(__file__).parents[1] / "mistakes.yaml"
    done = labs.fakevm("lab", "up", str(path))
    assert done.returncode == 2
    heading, *lines = done.stderr.splitlines()
    assert heading == "error: 11 errors in the lab file:"
    assert [int(line.removeprefix(f"{path}:").partition(":")[0]) for line in lines] == [
        4, 7, 9, 10, 13, 14, 16, 16, 17, 19, 20,
    ]  # fmt: skip
    untouched()
