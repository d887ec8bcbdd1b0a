"""What fails after Neutron answers leaves the lab there; ``lab apply`` goes on from where it failed."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Lab, Labs

FILE = """
hosts: {host1: {roles: [compute, dhcp]}}
networks:
  private: {subnets: {private-v4: {cidr: 10.0.0.0/24}}}
guests:
  vm1:
    ports: [private]
    run: ["echo ran-vm1"]
  vm2:
    ports: [private]
    run: ["echo first-of-vm2", "COMMAND", "echo last-of-vm2"]
"""


def said(lab: Lab, guest: str) -> list[str]:
    log = lab.record.host_directory("host1") / f"log/guest-{guest}.log"
    return log.read_text().split() if log.exists() else []


def test_a_lab_whose_guest_fails_stays_and_apply_goes_on(labs: Labs) -> None:
    bad, good = labs.folder / "bad.yaml", labs.folder / "good.yaml"
    bad.write_text(FILE.replace("COMMAND", "exit 3"))
    good.write_text(FILE.replace("COMMAND", "echo mended") + "  vm3: {ports: [private]}\n")

    done = labs.fakevm("lab", "up", str(bad), "--name", "half")
    assert done.returncode == 1
    assert (
        "lab 'half' is up, but not all of its file was made: in guest vm2, 'exit 3' ended with status 3" in done.stderr
    )
    assert "fakevm --lab half lab apply FILE" in done.stderr
    lab = Lab(labs, labs.record("half"))
    assert [row["state"] for row in json.loads(labs.fakevm("lab", "list", "-f", "json").stdout)] == ["unfinished"]
    assert len(lab.told("list")) == 2

    apply(lab, bad, 1)
    apply(lab, good, 0)
    assert labs.record("half").state == "up"
    assert said(lab, "vm1") == ["ran-vm1"]
    assert said(lab, "vm2") == ["first-of-vm2", "mended", "last-of-vm2"]
    assert len(lab.told("list")) == 3

    # So does one that fails in a lab that was whole.
    more = good.read_text().replace("echo last-of-vm2", 'echo last-of-vm2", "echo one-more-of-vm2')
    more += '  vm4:\n    ports: [private]\n    run: ["echo of-vm4", "COMMAND", "echo of-vm4"]\n'
    bad.write_text(more.replace("COMMAND", "exit 4"))
    good.write_text(more.replace("COMMAND", "echo mended"))
    apply(lab, bad, 1)
    assert said(lab, "vm4") == ["of-vm4"]
    apply(lab, good, 0)
    assert said(lab, "vm4") == ["of-vm4", "mended", "of-vm4"]
    assert said(lab, "vm2") == ["first-of-vm2", "mended", "last-of-vm2", "one-more-of-vm2"]
    assert lab.told("lab", "apply", str(good)) == []


def apply(lab: Lab, file: Path, status: int) -> None:
    done = lab.fakevm("lab", "apply", str(file))
    assert done.returncode == status, done.stderr
