"""What befalls the frames of links and interfaces, as receivers see it, and changed under traffic; one lab for most."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import pytest

from fakevm.testing.labs import FAKEVM, Lab, Labs
from fakevm.waiting import until

FILE = """\
neutron: false
hosts: {host1: {}, host2: {}}
guests:
  r1: {host: host1, interfaces: {eth1: {addresses: [10.9.0.1/24]}}}
  r2: {host: host2, interfaces: {eth1: {addresses: [10.9.0.2/24]}, eth2: {addresses: [10.9.1.1/24]}}}
  r3: {host: host2, interfaces: {eth1: {addresses: [10.9.1.2/24], impair: {received: {loss: 20 %}}}}}
links:
  core: {ends: [r1:eth1, r2:eth1], impair: {delay: 20 ms, from: {r1: {loss: 10 %}}}}
  edge: {ends: [r2:eth2, r3:eth1], shape: {from: {r3: {tbf: 5 Mbit/s}}}}
checks:
  there: {kind: delay, from: r1, to: r2, delay: 20 ms, tolerance: 5 ms, count: 50, within: 20s}
  back: {kind: delay, from: r2, to: r1, delay: 20 ms, tolerance: 5 ms, count: 50, within: 20s}
  some are lost: {kind: loss, from: r1, to: r2, loss: 10 %, count: 500, within: 20s}
  none are lost on the way back: {kind: loss, from: r2, to: r1, loss: 0, count: 500, within: 20s}
  some are not received: {kind: loss, from: r2, to: r3, loss: 20 %, count: 500, within: 20s}
  as fast as its shape:
    {kind: bandwidth, from: r3, to: r2, rate: 5 Mbit/s, counts: frames, tolerance: 5 %, seconds: 3, within: 30s}
"""
# Each changes something else: a rule comes, a delay line comes, all goes.
CHANGES = (
    ("set", "core", "--delay", "5ms"),
    ("set", "core", "--delay", "15ms", "--jitter", "3ms"),
    ("reset", "core"),
    ("set", "core", "--duplicate", "0", "--reorder", "0"),
    ("set", "core", "--from", "r1", "--delay", "10ms"),
    ("set", "r1:eth1", "--received", "--delay", "4ms"),
    ("set", "core", "--delay", "0", "--jitter", "0"),
    ("reset", "r1:eth1"),
)


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Lab:
    return own_labs.up_from("impaired", FILE)


def impair(lab: Lab, *words: str) -> str:
    done = lab.fakevm("impair", *words)
    assert done.returncode == 0, done.stderr
    return done.stderr


def round_trip(lab: Lab, guest: str = "r1", address: str = "10.9.0.2") -> float:
    """Give the shortest of a few round trips (ms), all of which must be answered."""
    done = lab.fakevm("exec", guest, "--", "ping", "-c5", "-i0.05", "-W5", address)
    assert done.returncode == 0, done.stdout
    assert " 0% packet loss" in done.stdout
    return float(re.search(r"= ([\d.]+)/", done.stdout)[1])  # type: ignore[index]


def device(lab: Lab, guest: str, name: str = "eth1") -> str:
    """Tell a device's number, and how often its carrier changed."""
    folder = f"/sys/class/net/{name}"
    return lab.fakevm("exec", guest, "--", "cat", f"{folder}/ifindex", f"{folder}/carrier_changes").stdout


def lines_of(lab: Lab) -> list[int]:
    """Find the delay lines that run in a lab's hosts."""
    found = []
    inside = Path(f"/proc/{(lab.record.directory / 'pid').read_text().strip()}/ns/user").readlink()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes()
            if b"delay_line.py" in words and (path / "root/run/fakevm/lab.json").exists():
                record = json.loads((path / "root/run/fakevm/lab.json").read_text())
                if record["name"] == lab.record.name and (path / "ns/user").readlink() == inside:
                    found.append(int(path.name))
        except OSError:
            continue
    return found


def test_frames_fare_as_the_file_says(lab: Lab) -> None:
    rows = lab.told("check")
    assert [row["status"] for row in rows] == ["met"] * 6, [row["seen"] for row in rows]
    shown = {(row["interface"], row["direction"]): row for row in lab.told("impair", "show")}
    assert shown["r1:eth1", "sent"]["impairment"] == "delay 20 ms, loss 10 %"
    assert shown["r3:eth1", "received"]["impairment"] == "loss 20 %"
    assert shown["r3:eth1", "sent"]["shape"] == "tbf 5 Mbit/s"
    assert all(row["by"] for row in shown.values())


def test_only_what_is_named_changes(lab: Lab) -> None:
    note = impair(lab, "set", "core", "--from", "r1", "--loss", "0")
    assert "note: This kernel has no netem" in note or not lines_of(lab)
    assert 40 <= round_trip(lab) < 60
    told = lab.told("lab", "diff")
    assert [(row["state"], row["kind"], row["name"]) for row in told] == [("changed", "interface", "r1:eth1")]
    impair(lab, "set", "core", "--from", "r2", "--delay", "0")
    assert 20 <= round_trip(lab) < 40


@pytest.mark.parametrize("count", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_changes_under_traffic_lose_nothing_and_move_no_link(lab: Lab, count: int) -> None:
    impair(lab, "reset", "core")
    before = [device(lab, guest) for guest in ("r1", "r2")]
    server = lab.labs.begin(
        "exec", "r2", "--", "sh", "-c", "echo begin; socat -u TCP-LISTEN:7000,reuseaddr - | sha256sum",
        env=lab.labs.env(FAKEVM_LAB=lab.record.name),
    )  # fmt: skip
    assert server.stdout and server.stdout.readline() == "begin\n"
    feed = "import os, sys, hashlib; h = hashlib.sha256(); b = os.urandom(1 << 16)\nimport time\n" + (
        "while not os.path.exists(sys.argv[1]):\n h.update(b); sys.stdout.buffer.write(b); time.sleep(0.01)\n"
        "sys.stdout.flush(); print(h.hexdigest(), file=sys.stderr)"
    )
    end = lab.record.directory / "enough"
    transfer = subprocess.Popen(
        [
            "sh", "-c", 'python3 -c "$1" "$2" | "$3" exec r1 -- socat -u - TCP:10.9.0.2:7000,retry=50,interval=0.2',
            "sh", feed, str(end), FAKEVM,
        ],
        env=lab.labs.env(FAKEVM_LAB=lab.record.name), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    pings = subprocess.Popen(
        [FAKEVM, "exec", "r2", "--", "sh", "-c", "ping -q -i0.02 -W10 10.9.0.1 & read end; kill -INT $!; wait"],
        env=lab.labs.env(FAKEVM_LAB=lab.record.name), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for words in islice(cycle(CHANGES), count):
            impair(lab, *words)
        impair(lab, "reset", "core")
        impair(lab, "reset", "r1:eth1")
    finally:
        end.touch()
        told = pings.communicate("\n", timeout=60)[0]
    assert transfer.stderr and transfer.wait(60) == 0
    (sent,) = transfer.stderr.read().split()[-1:]
    end.unlink()
    assert server.communicate(timeout=60)[0].split()[0] == sent
    summary = re.search(r"(\d+) packets transmitted, (\d+) received(.*)", told)
    assert summary and int(summary[1]) > 20, told
    # The last request may be on its way when ping ends.
    assert int(summary[1]) - int(summary[2]) <= 1, summary[0]
    assert [device(lab, guest) for guest in ("r1", "r2")] == before
    assert round_trip(lab) < 5


def test_a_delay_line_that_dies_comes_back(lab: Lab) -> None:
    impair(lab, "set", "core", "--delay", "20ms")
    lines = lines_of(lab)
    if not lines:
        pytest.skip("this kernel has netem: there are no delay lines")
    for pid in lines:
        os.kill(pid, signal.SIGKILL)

    def missing() -> str:
        done = lab.fakevm("exec", "r1", "--", "ping", "-c1", "-W1", "10.9.0.2")
        return "" if done.returncode == 0 and not set(lines) & set(lines_of(lab)) else done.stdout

    until(missing, "no delay line came back", 60)
    assert 40 <= round_trip(lab) < 60
    assert [row["problem"] for row in lab.told("impair", "show")] == [""] * 4


QUICK = (
    ("lab", "restart", "host1/neutron-fakevm-agent"),
    ("migrate", "host2", "r1", "--live"),
    ("migrate", "host1", "r1", "--cold"),
)
SLOW = (
    ("guest", "reboot", "r1"),
    ("host", "kill", "host1"),
    ("host", "start", "host1"),
)


@pytest.mark.parametrize("steps", [QUICK, pytest.param(SLOW, marks=pytest.mark.slow)], ids=["quick", "slow"])
def test_it_stays_with_the_interface(lab: Lab, steps: Sequence[Sequence[str]]) -> None:
    impair(lab, "reset", "core")
    impair(lab, "set", "core", "--delay", "20ms")
    for words in steps:
        done = lab.fakevm(*words)
        assert done.returncode == 0, (words, done.stderr)
        if words[1:2] != ("kill",):
            assert lab.fakevm("exec", "r1", "--", "ping", "-c1", "-w30", "10.9.0.2").returncode == 0
            assert 40 <= round_trip(lab) < 60, words


def test_lab_apply_changes_it_in_place(lab: Lab, tmp_path: Path) -> None:
    file, numbers = tmp_path / "lab.yaml", device(lab, "r1")
    file.write_text(FILE.replace("delay: 20 ms, from: {r1: {loss: 10 %}}", "delay: 5 ms").replace("20 %", "0"))
    steps = lab.told("lab", "apply", str(file))
    assert [(step["action"], step["kind"], step["name"]) for step in steps] == [
        ("change", "link", "core"),
        ("change", "interface", "r3:eth1"),
    ]
    assert 10 <= round_trip(lab) < 20
    assert device(lab, "r1") == numbers
    assert round_trip(lab, "r2", "10.9.1.2") < 5


def test_what_is_not_there_is_told(lab: Lab) -> None:
    for words, said in (
        (("set", "none", "--loss", "1"), "there is no link 'none'"),
        (("set", "r1:eth9", "--loss", "1"), "has no interface 'eth9'"),
        (("set", "core", "--from", "r3", "--loss", "1"), "r3 is at neither end of the link core: r1 and r2"),
        (("set", "core", "--jitter", "6ms"), "jitter 6 ms is more than the delay (5 ms)"),
        (("set", "core", "--sent", "--loss", "1"), "is a link: say --from GUEST"),
        (("set", "r1:eth1", "--from", "r1", "--loss", "1"), "is an interface: say --sent or --received"),
        (("set", "core"), "say what is to befall the frames"),
        (("set", "core", "--loss", "101"), "must be at most 100"),
    ):
        done = lab.fakevm("impair", *words)
        assert done.returncode in {1, 2}, words
        assert said in done.stderr, done.stderr


def test_nothing_is_left_when_it_is_taken_away(lab: Lab) -> None:
    for target in ("core", "r3:eth1"):
        impair(lab, "reset", target)
    assert lines_of(lab) == []
    assert [row["impairment"] for row in lab.told("impair", "show")] == [""]
    assert lab.fakevm("exec", "r1", "--", "ping", "-c1", "-w20", "10.9.0.2").returncode == 0


PORTS = """\
name: ports
backend: %s
hosts: {compute1: {roles: [compute]}, compute2: {roles: [compute]}}
networks: {private: {subnets: {four: {cidr: 10.0.0.0/24, dhcp: false}}}}
guests:
  a:
    host: compute1
    interfaces: {eth0: {network: private, addressing: static, impair: {delay: 10 ms, sent: {loss: 10 %%}}}}
  b: {host: compute2, interfaces: {eth0: {network: private, addressing: static}}}
  c:
    host: compute1
    interfaces:
      eth0: {network: private, addressing: static, shape: {upload: {tbf: 4 Mbit/s}, download: {tbf: 8 Mbit/s}}}
checks:
  there: {kind: delay, from: a, to: b, delay: 10 ms, tolerance: 4 ms, within: 60s}
  back: {kind: delay, from: b, to: a, delay: 10 ms, tolerance: 4 ms, within: 60s}
  some are lost: {kind: loss, from: a, to: b, loss: 10 %%, within: 60s}
  none on the way back: {kind: loss, from: b, to: a, loss: 0, within: 60s}
  upload: {kind: bandwidth, from: c, to: b, rate: 4 Mbit/s, counts: frames, tolerance: 5 %%, within: 60s}
  download: {kind: bandwidth, from: b, to: c, rate: 8 Mbit/s, counts: frames, tolerance: 5 %%, within: 60s}
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["ovs", "ovn"])
def test_ports_of_neutron_fare_as_the_file_says_wherever_their_guests_are(
    labs: Labs, tmp_path: Path, backend: str
) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(PORTS % backend)
    lab = labs.up("ports", str(file))
    for words in (
        (),
        ("migrate", "compute2", "a", "--live"),
        ("migrate", "compute2", "c", "--cold"),
        ("guest", "reboot", "a"),
    ):
        if words:
            done = lab.fakevm(*words)
            assert done.returncode == 0, done.stderr
        rows = lab.told("check")
        assert [row["status"] for row in rows] == ["met"] * 6, (words, [row["seen"] for row in rows])
    impair(lab, "reset", "a:eth0")
    assert round_trip(lab, "a", lab.told("guest", "show", "b")["interfaces"][0]["addresses"][0].partition("/")[0]) < 9
