"""A guest that is a server, with Neutron: who has its key logs in through its floating IP, from outside."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fakevm.testing.labs import Lab, Labs

from .conftest import until

pytestmark = [pytest.mark.lab, pytest.mark.slow]

FILE = """\
name: servers
backend: {backend}
physical_networks: {{external: {{}}}}
hosts:
  all: {{roles: [compute, dhcp, l3, metadata]}}
networks:
  public:
    type: flat
    physical_network: external
    external: true
    subnets: {{public4: {{cidr: 203.0.113.0/24, dhcp: false}}}}
  private:
    subnets: {{private4: {{cidr: 10.0.0.0/24}}}}
routers:
  r1: {{interfaces: [private4], external_gateway: public}}
security_groups:
  ssh: {{rules: [{{protocol: tcp, ports: 22}}]}}
guests:
  web:
    kind: container
    server: cloud
    keys: {{me: "{key}"}}
    user_data: |
      #!/bin/bash
      echo once >>/srv/runs; echo said by user data
    interfaces: {{eth0: {{network: private, nic: plain, security_groups: [ssh]}}}}
floating_ips:
  web-public: {{network: public, guest: web, address: 203.0.113.80}}
"""
OPTIONS = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "LogLevel=ERROR")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = tmp_path_factory.mktemp("keys") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", str(key)], check=True)
    return key


@pytest.fixture(scope="module", params=["ovs", "ovn"])
def lab(request: pytest.FixtureRequest, own_labs: Labs, key: Path) -> Lab:
    public = Path(f"{key}.pub").read_text().strip()
    return own_labs.up_from(f"servers-{request.param}", FILE.format(backend=request.param, key=public))


def ssh(lab: Lab, key: Path, line: str) -> str:
    """Log in from outside, through the floating IP."""
    words = [word for option in (*OPTIONS, "ConnectTimeout=5") for word in ("-o", option)]
    command = ["ssh", "-F", "none", "-i", str(key), *words, "cloud@203.0.113.80", line]
    done = lab.fakevm("lab", "exec", "outside", "--", "ip", "netns", "exec", "client", *command)
    return (done.stdout + done.stderr).strip()


def inside(lab: Lab, guest: str, line: str) -> str:
    return lab.fakevm("exec", guest, "--", "sh", "-c", line).stdout.strip()


def console(lab: Lab, guest: str) -> str:
    """Read what the guests named so have said, by the lines that name them."""
    logs = [path.read_text() for path in lab.record.directory.glob("hosts/*/agent/containers/*/console.log")]
    return "".join(text for text in logs if f"fakevm: {guest} boots" in text)


def test_it_is_logged_in_to_through_its_floating_ip(lab: Lab, key: Path) -> None:
    until(lambda: ssh(lab, key, "id -un; hostname") == "cloud\nweb", 60)
    until(lambda: "web login:" in console(lab, "web"), 60)
    assert "said by user data" in console(lab, "web")
    address = ssh(lab, key, "ip -o -4 address show dev eth0")
    assert "10.0.0." in address
    assert "@" not in address
    asked = ssh(lab, key, "curl -s http://169.254.169.254/latest/meta-data/local-ipv4")
    assert asked in address


def test_user_data_are_run_once(lab: Lab, key: Path) -> None:
    until(lambda: inside(lab, "web", "cat /srv/runs") == "once", 60)
    assert lab.fakevm("guest", "reboot", "web").returncode == 0
    until(lambda: console(lab, "web").count("web login:") == 2, 60)
    until(lambda: ssh(lab, key, "cat /etc/hostname") == "web", 60)
    assert inside(lab, "web", "cat /srv/runs") == "once"
