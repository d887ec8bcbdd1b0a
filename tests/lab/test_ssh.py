"""Stock ssh, scp and what is built on them, into guests of a lab without Neutron; commands in several guests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm.lab.ssh import keys
from fakevm.testing.labs import BIN, Done, Lab, Labs
from fakevm.waiting import remains

FILE = """\
neutron: false
hosts: {host1: {}, host2: {}}
guests:
  r1: {host: host1, interfaces: {eth1: {addresses: [10.9.0.1/24]}}}
  r2: {host: host2, interfaces: {eth1: {addresses: [10.9.0.2/24]}, eth2: {addresses: [10.9.1.2/24]}}, ssh: r1}
  r3: {host: host1, interfaces: {eth2: {addresses: [10.9.1.3/24]}}, ssh: {jump: r2}}
  alone: {host: host1}
links:
  near: r1:eth1 -- r2:eth1
  far: r2:eth2 -- r3:eth2
"""


@pytest.fixture(scope="module", params=["namespace", pytest.param("container", marks=pytest.mark.slow)])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    labs = Labs.made()
    file = tmp_path_factory.mktemp("files") / "lab.yaml"
    file.write_text(FILE.replace("host: ", f"kind: {request.param}, host: "))
    try:
        yield labs.up("shells", str(file))
    finally:
        labs.remove()
        assert not remains(lambda: left(labs.mark), 30)


def left(mark: str) -> str:
    """Find processes that have the labs' folder in their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in words:
            found.append(words)
    return "\n".join(found)


@pytest.fixture(scope="module")
def config(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ssh") / "config"
    told = lab.fakevm("ssh-config")
    assert (told.returncode, told.stderr) == (0, "")
    path.write_text(told.stdout)
    return path


def stock(config: Path, program: str, *words: str, timeout: float = 120) -> Done:
    argv = [program, "-F", str(config), *words]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)


def test_a_command_has_the_guest_s_network_and_its_own_exit_status(lab: Lab) -> None:
    done = lab.fakevm("ssh", "r1", "ip -brief address show eth1; exit 7")
    assert done.returncode == 7
    assert "10.9.0.1/24" in done.stdout
    assert lab.fakevm("ssh", "r1", "cat", input="through").stdout == "through"
    line = "env | grep ^PATH_DHCLIENT | sort"
    assert lab.fakevm("ssh", "r1", line).stdout == lab.fakevm("exec", "r1", "--", "sh", "-c", line).stdout


def test_a_guest_without_any_network_can_be_reached(lab: Lab) -> None:
    done = lab.fakevm("ssh", "alone", "--", "ip", "-brief", "link")
    assert done.returncode == 0, done.stderr
    assert "eth" not in done.stdout


def test_a_terminal_is_given(lab: Lab) -> None:
    done = lab.fakevm("ssh", "-t", "-t", "alone", "tty; stty -a | head -1")
    assert done.stdout.startswith("/dev/pts/"), done.stderr


def test_files_are_copied_by_sftp_and_by_scp_s_own_protocol(lab: Lab, config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    for number, way in enumerate([(), ("-O",)]):
        there = f"/tmp/{lab.labs.mark}-{number}"
        done = stock(config, "scp", *way, str(tmp_path / "file"), f"r1.shells:{there}")
        assert done.returncode == 0, done.stderr
        assert stock(config, "ssh", "r1", "cat", there, "&&", "rm", there).stdout == "text"


def test_connections_are_shared(lab: Lab, config: Path) -> None:
    assert stock(config, "ssh", "r1", "true").returncode == 0
    check = stock(config, "ssh", "-O", "check", "r1")
    assert "Master running" in check.stderr
    assert lab.fakevm("ssh", "r1", "true").returncode == 0


def test_by_way_of_others_the_network_between_them_is_taken(lab: Lab, config: Path) -> None:
    for done in (
        lab.fakevm("ssh", "r3", "ss -Htn state established"),
        stock(config, "ssh", "r2", "ss -Htn state established"),
    ):
        assert done.returncode == 0, done.stderr
        assert "10.9.1.2]:" in done.stdout or "10.9.0.1]:" in done.stdout
    circle = lab.fakevm("ssh", "-J", "r2", "r2", "true")
    assert circle.returncode == 2
    assert "no way to itself" in circle.stderr
    assert lab.fakevm("exec", "r3", "--", "ss", "-Hltn").stdout == ""


def test_a_network_that_carries_nothing_is_told(lab: Lab, config: Path) -> None:
    stock(config, "ssh", "-O", "exit", "r2")
    assert lab.fakevm("exec", "r1", "--", "ip", "route", "add", "unreachable", "10.9.0.2").returncode == 0
    try:
        done = stock(config, "ssh", "r2", "true")
    finally:
        assert lab.fakevm("exec", "r1", "--", "ip", "route", "del", "10.9.0.2").returncode == 0
    assert done.returncode == 255
    assert "r1 did not reach r2" in done.stderr


def test_keys_are_in_no_argument_and_open_to_nobody(lab: Lab, config: Path) -> None:
    folder = keys.folder(lab.record)
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir() if path.suffix != ".pub"} == {0}
    assert "PRIVATE" not in config.read_text()
    with subprocess.Popen(
        ["ssh", "-F", config, "-S", "none", "alone", "echo begun; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout and running.stdout.readline() == b"begun\n"
        lines = (keys.guest_key(lab.record, "alone").parent / "id").read_text().splitlines()
        assert not [line for line in lines[1:-1] if line in left("")]
        assert running.stdin
        running.stdin.close()


def test_a_guest_that_is_stopped_or_gone_is_told_by_the_stock_client(lab: Lab, config: Path) -> None:
    assert lab.fakevm("guest", "stop", "alone").returncode == 0
    for done in (stock(config, "ssh", "alone", "true"), lab.fakevm("ssh", "alone", "true")):
        assert done.returncode in (255, 2)
        assert "the guest alone on host1 is stopped" in done.stderr
    assert lab.fakevm("guest", "start", "alone").returncode == 0
    assert stock(config, "ssh", "alone", "true").returncode == 0
    missing = lab.fakevm("ssh", "alon", "true")
    assert missing.returncode == 2
    assert "Did you mean alone?" in missing.stderr


def test_a_guest_that_is_rebooted_or_moves_is_found_again(lab: Lab, config: Path) -> None:
    for words, said in (
        (("guest", "reboot", "r1"), "the guest r1 was "),
        (("migrate", "host2", "r1"), "the guest r1 has moved to host2: connect again"),
        (("migrate", "host1", "r1"), "the guest r1 has moved to host1: connect again"),
    ):
        old = lab.labs.begin("ssh", "r1", "echo begun; sleep 1000", env=lab.labs.env(FAKEVM_LAB=lab.record.name))
        assert old.stdout and old.stdout.readline() == "begun\n"
        assert lab.fakevm(*words).returncode == 0
        assert old.wait(60) == 255
        assert said in old.stdout.read()
        done = stock(config, "ssh", "r1", "ip -brief address show eth1")
        assert "10.9.0.1/24" in done.stdout, done.stderr


def test_ansible_is_told_of_all(lab: Lab) -> None:
    made = json.loads(lab.fakevm("inventory", "--list").stdout)
    assert made["host_host1"]["hosts"] == ["alone", "r1", "r3"]
    own = made["_meta"]["hostvars"]["r1"]
    assert json.loads(lab.fakevm("inventory", "--host", "r1").stdout) == own
    assert json.loads(lab.fakevm("inventory").stdout)["all"]["hosts"]["r1"] == own
    done = subprocess.run(
        ["sh", "-c", f"ssh {own['ansible_ssh_common_args']} r1 true"], stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 0
    assert lab.fakevm("inventory", "--host", "none").returncode == 2


def test_commands_in_several_guests(lab: Lab) -> None:
    done = lab.fakevm("exec", "--on", "r*", "--", "sh", "-c", "echo hello; ip -brief link show eth2 >/dev/null")
    assert done.returncode == 1
    assert done.stdout.splitlines().count("r3: hello") == 1
    assert sorted(line.split(": ")[0] for line in done.stdout.splitlines()) == ["r1", "r2", "r3"]
    assert "1 of 3 guests failed:\n  r1: exit status 1" in done.stderr
    rows = json.loads(lab.fakevm("ssh", "--all", "-f", "json", "hostname; cat").stdout)
    assert [(row["name"], row["exit_status"]) for row in rows] == [("alone", 0), ("r1", 0), ("r2", 0), ("r3", 0)]
    remote = lab.fakevm("exec", "--remote", "--on", "r1", "--on", "alone", "--timeout", "1", "--", "sleep", "100")
    assert remote.returncode == 124
    assert "alone: exit status 124 (its time was over)" in remote.stderr
    nobody = lab.fakevm("exec", "--on", "x*", "true")
    assert nobody.returncode == 2
    assert "There are: alone, r1, r2, r3." in nobody.stderr


def test_one_of_several_that_is_stopped_fails_alone(lab: Lab) -> None:
    assert lab.fakevm("guest", "stop", "--on", "al*").returncode == 0
    done = lab.fakevm("exec", "--all", "--", "echo", "up")
    assert done.returncode == 1
    assert sorted(done.stdout.splitlines()) == ["r1: up", "r2: up", "r3: up"]
    assert "alone: the guest alone on host1 is stopped" in done.stderr
    shown = lab.told("guest", "show", "--on", "al*", "--on", "r3")
    assert [(row["name"], row["state"]) for row in shown] == [("alone", "stopped"), ("r3", "running")]
    assert [row["result"] for row in lab.told("guest", "start", "--all")].count("started") == 1


@pytest.mark.parametrize("command", ["exec", "ssh"])
def test_ctrl_c_ends_the_commands_in_all_guests(lab: Lab, command: str) -> None:
    mark = f"100{len(command)}"
    line = (command, "--all", "--", f"echo begun; exec sleep {mark}")
    words = line if command == "ssh" else (command, "--all", "--", "sh", "-c", line[-1])
    running = lab.labs.begin(*words, env=lab.labs.env(FAKEVM_LAB=lab.record.name))
    assert running.stdout
    for _ in range(4):
        assert "begun" in running.stdout.readline()
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    if command == "exec":
        assert not remains(lambda: left(f"sleep {mark}"), 30)


ONE_ID = """\
neutron: false
guests:
  a: {kind: namespace, interfaces: {eth0: {addresses: [10.9.0.1/24]}}}
  b: {kind: container, interfaces: {eth0: {addresses: [10.9.0.2/24]}}, ssh: a}
links: {near: a:eth0 -- b:eth0}
"""
IN_IT = """\
set -e
fakevm lab up lab.yaml --name few >/dev/null
fakevm ssh a 'id -un; cat /proc/self/setgroups'
fakevm ssh -t -t b 'tty; id -u'
fakevm ssh-config >config
scp -F config lab.yaml b:/tmp/copied && fakevm exec b -- head -n 1 /tmp/copied
! ssh -F config nobody@a true
fakevm lab down
"""


def test_where_there_is_one_user_id_root_of_the_guest_logs_in(tmp_path: Path) -> None:
    """As in an ordinary user's lab: in a user namespace with one user and one group."""
    labs = Labs.made()
    (tmp_path / "lab.yaml").write_text(ONE_ID)
    try:
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "sh", "-c", IN_IT],
            cwd=tmp_path, env=labs.env(PATH=f"{BIN}:{os.environ['PATH']}"), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said = done.stdout.split()
        assert (said[:2], said[2].startswith("/dev/pts/"), said[3:]) == (
            ["root", "deny"],
            True,
            ["0", "neutron:", "false"],
        )
        assert "nobody@a: Permission denied" in done.stderr
    finally:
        labs.remove()
