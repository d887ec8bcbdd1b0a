"""The commands on a lab that runs; all of these tests share one."""

from __future__ import annotations

import json
import os
import select
import shlex
import stat
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from fakevm import release
from fakevm.lab import readiness

from . import machine
from .conftest import BIN, Lab, awaited

AGENTS = {
    ("compute1", "neutron-openvswitch-agent"), ("compute1", "neutron-fakevm-agent"),
    ("compute2", "neutron-openvswitch-agent"), ("compute2", "neutron-fakevm-agent"),
    ("network1", "neutron-openvswitch-agent"), ("network1", "neutron-fakevm-agent"), ("network1", "neutron-dhcp-agent"),
}  # fmt: skip


def test_all_agents_are_alive_in_the_eyes_of_a_stock_client(lab: Lab) -> None:
    """As in a user's shell, after eval "$(fakevm lab env)"."""
    script = f'eval "$({BIN}/fakevm lab env)" && exec {BIN}/openstack network agent list -f json'
    stale = lab.labs.env(OS_CLOUD="elsewhere", OS_AUTH_URL="http://127.0.0.1:1", OS_USERNAME="me")

    def alive() -> set[tuple[str, str]]:
        done = subprocess.run(["sh", "-c", script], env=stale, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stderr
        return {(agent["Host"], agent["Binary"]) for agent in json.loads(done.stdout) if agent["Alive"]}

    assert awaited(alive, AGENTS, 60) == AGENTS


def test_env_is_what_a_shell_takes(lab: Lab) -> None:
    done = lab.fakevm("lab", "env")
    show = 'printf "%s " "$OS_AUTH_TYPE" "$OS_ENDPOINT" "$OS_TOKEN" "$FAKEVM_LAB" "${OS_CLOUD-unset}"'
    shown = subprocess.run(
        ["sh", "-euc", f"{done.stdout}\n{show}"], env={"OS_CLOUD": "x"}, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == ["admin_token", lab.record.endpoint, lab.record.token, "shared", "unset"]


def test_neutron_is_the_unpatched_one_of_its_environment(lab: Lab) -> None:
    """What ``ps`` shows runs from the release's environment, whose files are those that pip installed."""
    venv = release.path(lab.record.release)
    words = " ".join(machine.processes(lab.labs.mark))
    for program in ("neutron-openvswitch-agent", "neutron-dhcp-agent", "neutron-rpc-server", "uwsgi"):
        assert f"{venv}/bin/{program}" in words
    check = "import importlib.metadata as m, hashlib, base64\n" \
        "for f in m.files('neutron'):\n" \
        "    if f.hash and f.suffix == '.py':\n" \
        "        d = hashlib.new(f.hash.mode, f.locate().read_bytes()).digest()\n" \
        "        assert base64.urlsafe_b64encode(d).rstrip(b'=').decode() == f.hash.value, f\n"  # fmt: skip
    subprocess.run([f"{venv}/bin/python", "-c", check], check=True)


def test_status_knows_every_program(lab: Lab) -> None:
    def alive() -> set[tuple[str, str]]:
        return {(row["host"], row["program"]) for row in lab.told("lab", "status") if row["agent"] == "alive"}

    assert awaited(alive, AGENTS, 60) == AGENTS
    rows = lab.told("lab", "status")
    assert {row["state"] for row in rows} == {"running"}
    assert {row["program"] for row in rows if not row["host"]} >= {"broker", "database", "neutron-api", "compute1"}
    # FakeVM's own agent is restarted by a test of the contract of backends.
    assert all(row["restarts"] == 0 for row in rows if row["program"] != "neutron-fakevm-agent")


def test_list(lab: Lab) -> None:
    (row,) = json.loads(lab.fakevm("lab", "list", "-f", "json").stdout)
    assert (row["name"], row["state"], row["hosts"]) == ("shared", "up", 3)


def test_lab_up_twice(lab: Lab) -> None:
    done = lab.fakevm("lab", "up", "--name", "shared")
    assert done.returncode == 1
    assert "lab 'shared' runs already" in done.stderr
    assert "fakevm lab down shared" in done.stderr
    test_list(lab)


def test_logs(lab: Lab) -> None:
    done = lab.fakevm("lab", "logs", "compute1/neutron-openvswitch-agent", "-n", "5")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5
    everything = lab.fakevm("lab", "logs", "-n", "1").stdout
    assert all(name in everything for name in ("neutron-api.log", "compute2/log/ovs-vswitchd.log", "broker.log"))
    unknown = lab.fakevm("lab", "logs", "nothing")
    assert unknown.returncode == 2
    assert "compute1/ovs-vswitchd" in unknown.stderr


def test_logs_can_be_followed(lab: Lab) -> None:
    followed = lab.labs.begin("--lab", "shared", "lab", "logs", "neutron-api", "-f", "-n", "0")
    try:
        assert followed.stdout is not None
        said, deadline = b"", time.monotonic() + 60
        # Which request is the first that is followed is left open, and a line that does not come is not waited for.
        while b"HTTP/1.1 200" not in said and time.monotonic() < deadline:
            readiness.get(lab.record, "/v2.0/networks")
            if select.select([followed.stdout], [], [], 0.5)[0]:
                said += os.read(followed.stdout.fileno(), 65536)
        assert b"HTTP/1.1 200" in said
    finally:
        followed.terminate()
        followed.communicate(timeout=60)


def test_exec(lab: Lab) -> None:
    bridges = lab.fakevm("lab", "exec", "compute1", "--", "ovs-vsctl", "list-br").stdout.split()
    assert {"br-int", "br-physnet1", "br-tun"} <= set(bridges)
    assert lab.fakevm("lab", "exec", "compute2", "--", "hostname").stdout == "compute2\n"
    assert "br-mgmt" in lab.fakevm("lab", "exec", "lab", "--", "ip", "-br", "link").stdout
    assert lab.fakevm("lab", "exec", "compute1", "--", "sh", "-c", "exit 7").returncode == 7
    assert lab.fakevm("lab", "exec", "compute1", "cat", input="to standard input").stdout == "to standard input"
    root = lab.fakevm(
        "lab", "exec", "compute1", "--", "sh", "-c", "command -v ethtool", env=lab.labs.env(PATH="/usr/bin")
    )
    assert root.stdout.strip().endswith("/ethtool")


def test_exec_ends_what_it_runs(lab: Lab) -> None:
    # Of a program that changes its user, as tcpdump does, the kernel forgets that it is to end with its parent.
    words = ("setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", "echo $$; exec sleep 1000")
    running = lab.labs.begin("--lab", lab.record.name, "lab", "exec", "compute1", "--", *words)
    assert running.stdout is not None
    pid = running.stdout.readline().strip()
    running.terminate()
    running.communicate(timeout=60)  # not before nobody has the pipe open
    assert lab.fakevm("lab", "exec", "compute1", "--", "kill", "-0", pid).returncode == 1


def test_exec_does_not_ignore_that_nobody_reads_on(lab: Lab) -> None:
    done = lab.fakevm("lab", "exec", "compute1", "--", "sh", "-c", "yes | head -1")
    assert (done.stdout, done.stderr) == ("y\n", "")


def test_exec_says_what_is_wrong(lab: Lab) -> None:
    nowhere = lab.fakevm("lab", "exec", "compute9", "--", "true")
    assert nowhere.returncode == 2
    assert "compute1, compute2, network1" in nowhere.stderr
    assert lab.fakevm("lab", "exec", "compute1").returncode == 2
    assert lab.fakevm("lab", "exec", "compute1", "--", "no-such-program").returncode == 127


def _passwords(lab: Lab) -> list[str]:
    broker = urlsplit(lab.record.transport_url).password or ""
    statements = (lab.record.directory / "database/init.sql").read_text()
    return [broker, statements.split("IDENTIFIED BY '")[1].split("'")[0]]


def _holds(path: Path, passwords: list[bytes]) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    text = machine.read(path)
    return any(word in text for word in passwords)


def test_files_with_passwords_are_for_their_owner_only(lab: Lab) -> None:
    passwords = [word.encode() for word in _passwords(lab)]
    assert all(len(word) >= 20 for word in passwords)
    # Files and folders of a lab that runs come and go; os.walk does not mind.
    files = (Path(top, name) for top, _, names in os.walk(lab.record.directory) for name in names)
    holders = [path for path in files if _holds(path, passwords)]
    assert {"lab.json", "init.sql", "rabbitmq.config", "neutron.conf"} <= {path.name for path in holders}
    assert [p for p in holders if p.stat().st_mode & 0o077] == []
    assert stat.S_IMODE(lab.record.directory.stat().st_mode) == 0o700


def test_no_argument_shows_a_password(lab: Lab) -> None:
    arguments = b" ".join(machine.read(Path(f"/proc/{pid}/cmdline")) for pid in machine.pids(lab.labs.mark))
    assert not [word for word in _passwords(lab) if word.encode() in arguments]


def test_nothing_listens_but_on_loopback(lab: Lab) -> None:
    """The lab's three doors, and no other listening socket of its processes in the machine's network namespace."""
    sockets = {
        link
        for pid in machine.pids(lab.labs.mark)
        for link in subprocess.run(
            ["find", f"/proc/{pid}/fd", "-lname", "socket:*", "-printf", "%l\n"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split()
    }
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                listening.append(words[1])
    record = lab.record
    doors = {urlsplit(url).port for url in (record.endpoint, record.transport_url, record.events_endpoint)}
    assert {address.split(":")[0] for address in listening} == {"0100007F"}
    assert {int(address.split(":")[1], 16) for address in listening} == doors


def test_the_machine_is_out_of_reach(lab: Lab) -> None:
    """The lab's processes cannot write where the machine keeps its own files, nor see its interfaces."""
    for path in ("/usr/fakevm-was-here", "/var/lib/fakevm-was-here", "/run/fakevm-was-here"):
        lab.fakevm("lab", "exec", "compute1", "--", "sh", "-c", f"touch {shlex.quote(path)}")
        assert not Path(path).exists()
    lab.fakevm("lab", "exec", "compute1", "--", "sh", "-c", "echo nonsense >/etc/resolv.conf")
    assert "nonsense" not in Path("/etc/resolv.conf").read_text()
    links = lab.fakevm("lab", "exec", "compute1", "--", "ls", "/sys/class/net").stdout.split()
    assert {"lo", "mgmt", "underlay"} <= set(links) <= {
        "lo", "mgmt", "underlay", "qfophysnet1", "br-int", "br-tun", "br-physnet1", "br-underlay", "ovs-netdev",
        "ovs-system", "vxlan_sys_4789", *(name for name in links if name.startswith(("tap", "qfb"))),
    }  # fmt: skip


ASK = """\
import socket, struct, sys, time
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
sock.bind((sys.argv[1], 0))
sock.settimeout(0.1)
own, asked, answered = sock.getsockname()[4], *map(socket.inet_aton, sys.argv[2:4])
request = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + own + asked + bytes(6) + answered
sock.send(b"\\xff" * 6 + own + b"\\x08\\x06" + request)
end = time.monotonic() + 60
# When one has answered, another has a second.
while time.monotonic() < end:
    try:
        frame = sock.recv(2048)
    except TimeoutError:
        continue
    if frame[20:22] == b"\\0\\2" and frame[28:32] == answered:
        print(frame[22:28].hex(":"), flush=True)
        end = min(end, time.monotonic() + 1)
"""


def test_for_the_address_of_a_tunnel_one_device_answers(lab: Lab) -> None:
    """Were it two, Open vSwitch would send to either: the bridge has the address, and the port below it has not."""
    found = {}
    for host in ("compute1", "compute2"):
        said = lab.fakevm("lab", "exec", host, "--", "ip", "-j", "address", "show", "dev", "br-underlay").stdout
        found[host] = json.loads(said)[0]
    own, far = (found[host]["addr_info"][0]["local"] for host in ("compute2", "compute1"))  # IPv4 is first
    asked = lab.fakevm("lab", "exec", "compute2", "--", "python3", "-c", ASK, "br-underlay", own, far)
    assert asked.stdout.split() == [found["compute1"]["address"]], asked.stderr


def test_two_hosts_do_not_share_what_they_keep(lab: Lab) -> None:
    ask = ("ovs-vsctl", "get", "Open_vSwitch", ".", "external_ids")
    first, second = (lab.fakevm("lab", "exec", host, "--", *ask).stdout for host in ("compute1", "compute2"))
    assert "compute1" in first
    assert "compute2" in second
