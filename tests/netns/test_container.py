"""Guests that are containers: what they have of their own, and what they cannot do to the machine."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakevm.agent.execution import Executions
from fakevm.errors import CommandFailed, PlugFailed
from fakevm.guest import births
from fakevm.guest.birth.kernel import is_initial_user
from fakevm.guest.births import Births
from fakevm.guest.container import ContainerKind
from fakevm.guest.place import ETC, container_entrance, groups_directory
from fakevm.linux import cgroup
from fakevm.model.guest import Guest, GuestSettings
from fakevm.model.limits import Limits

from .conftest import shell, until

GUEST = Guest(id="r1", name="r1", hostname="r1", kind="container", namespace="fakevm-h1-r1")


@pytest.fixture
def kind(tmp_path: Path) -> Iterator[ContainerKind]:
    """A kind with one guest, which runs."""
    kind = ContainerKind("h1", tmp_path / "state")
    kind.make(GUEST, [])
    yield kind
    kind.remove(GUEST, [])
    kind.forget(GUEST)
    kind.close()


@pytest.fixture
def inside(kind: ContainerKind) -> Callable[[str], str]:
    """Run shell words in the guest; gives what they say, and their failure."""

    def run(line: str) -> str:
        argv = kind.command(GUEST, [], ["sh", "-c", line])
        done = subprocess.run(argv, text=True, capture_output=True, timeout=60, check=False)
        return (done.stdout + done.stderr).strip()

    return run


def test_it_has_processes_files_and_a_name_of_its_own(kind: ContainerKind, inside: Callable[[str], str]) -> None:
    assert inside("hostname; cat /etc/hostname") == "r1\nr1"
    assert inside("ps -o comm= 1") != ""
    assert len(inside("ps -e -o pid=").split()) <= 4
    assert inside("ls -A /tmp /root /home /srv").split() == ["/home:", "/root:", "/srv:", "/tmp:"]
    assert inside("stat -c %a /tmp /root /run/lock") == "1777\n700\n1777"
    assert inside("echo mine > /tmp/mine; echo $HOME; pwd") == "/root\n/root"
    assert not Path("/tmp/mine").exists()
    assert inside("mount -t tmpfs tmpfs /mnt && touch /mnt/x && ls /mnt") == "x"
    assert inside("test -c /dev/null && test -c /dev/net/tun && echo > /dev/null && ls /dev/shm") == ""
    assert inside("ip netns add inner && ip netns exec inner ip -o link | grep -c LOOPBACK; ip netns del inner") == "1"


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have the tools beside the system in a folder that is not there yet."""
    monkeypatch.setenv("FAKEVM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/tools"


def test_tools_beside_the_system_are_where_its_host_has_them(beside: Path, inside: Callable[[str], str]) -> None:
    program = beside.joinpath("late", "root", "usr/sbin/late")
    # One that is fetched when the guest is there already.
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho runs\n")
    program.chmod(0o755)
    assert inside(str(program)) == "runs"
    assert "Read-only" in inside(f"echo echo mine > {program}")
    assert "IT COULD" not in inside(f"umount {beside} && echo IT COULD")
    assert "IT COULD" not in inside(f"mount -o remount,bind,rw {beside} && echo IT COULD")
    assert inside(str(program)) == "runs"


def test_an_orphan_is_reaped(inside: Callable[[str], str]) -> None:
    inside("setsid sh -c 'sleep 0.2 & exec sleep 0.01' </dev/null >/dev/null 2>&1 &")
    until(lambda: not inside("ps -e -o stat=,comm= | grep sleep"))


def test_its_files_outlive_it_until_it_is_forgotten(kind: ContainerKind, inside: Callable[[str], str]) -> None:
    inside("echo kept > $HOME/kept; echo gone > /etc/passwd")
    if is_initial_user():  # else the machine's files are those of somebody whom the guest does not know
        inside("echo 'echo kept' > /usr/local/bin/tool; chmod +x /usr/local/bin/tool")
        assert not Path("/usr/local/bin/tool").exists()
    kind.remove(GUEST, [])
    assert "no namespace" in kind.problem(GUEST)
    kind.make(GUEST, [])
    assert inside("cat $HOME/kept /etc/passwd") == "kept\ngone"
    assert inside("tool") == "kept" or not is_initial_user()
    assert Path("/etc/passwd").read_text() != "gone"
    kind.remove(GUEST, [])
    kind.forget(GUEST)
    assert not list((kind.folder / "containers").iterdir())
    kind.make(GUEST, [])
    assert inside("ls -A $HOME") == ""


def test_its_name_servers_are_those_that_its_host_writes(inside: Callable[[str], str]) -> None:
    (ETC / GUEST.namespace / "resolv.conf").write_text("nameserver 192.0.2.53\n")
    assert inside("cat /etc/resolv.conf") == "nameserver 192.0.2.53"
    inside("echo nameserver 192.0.2.54 > /etc/resolv.conf")
    assert (ETC / GUEST.namespace / "resolv.conf").read_text() == "nameserver 192.0.2.54\n"
    assert "127.0.0.1 localhost" in inside("cat /etc/hosts")


def test_a_guest_whose_first_process_ended_is_told(kind: ContainerKind, inside: Callable[[str], str]) -> None:
    inside("kill -TERM 1")
    until(lambda: kind.problem(GUEST) == "its first process has ended")
    kind.remove(GUEST, [])
    kind.make(GUEST, [])
    assert not kind.problem(GUEST)


def test_without_catatonit_it_says_what_to_do(kind: ContainerKind, monkeypatch: pytest.MonkeyPatch) -> None:
    kind.remove(GUEST, [])
    with monkeypatch.context() as patch, pytest.raises(Exception, match="Install catatonit"):
        patch.setenv("PATH", "/nowhere")
        kind.make(GUEST, [])
    kind.remove(GUEST, [])


# -- births ---------------------------------------------------------------------------------------------------


def makers() -> list[int]:
    """Find the processes that make guests."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [int(path.parent.name)] if births._PROGRAM.encode() in path.read_bytes().split(b"\0") else []
    return found


def again(kind: ContainerKind) -> None:
    kind.remove(GUEST, [])
    kind.make(GUEST, [])
    assert not kind.problem(GUEST)


def test_what_makes_guests_stays_for_the_next_and_may_be_killed(kind: ContainerKind) -> None:
    (first,) = makers()
    again(kind)
    assert makers() == [first]
    os.kill(first, signal.SIGKILL)
    until(lambda: not makers())
    again(kind)
    assert len(makers()) == 1


def test_what_makes_guests_ends_with_who_asked_and_after_a_while(tmp_path: Path) -> None:
    births = Births()
    begun = {"folder": str(tmp_path), "processes": str(tmp_path / "proc"), "init": "/bin/true"}
    with pytest.raises(CommandFailed, match=r"'root'|'trees'"):
        births.of({**begun, "files": {}, "programs": []})
    assert len(makers()) == 1
    births.close()
    until(lambda: not makers())
    shell(f"umount {tmp_path}/proc")


def test_many_are_born_at_once(tmp_path: Path) -> None:
    kind = ContainerKind("h1", tmp_path / "state")
    guests = [Guest(id=f"g{n}", name=f"g{n}", hostname=f"g{n}", kind="container", namespace=f"g{n}") for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda guest: kind.make(guest, []), guests))
        said = pool.map(lambda guest: shell(shlex.join(kind.command(guest, [], ["hostname"]))).strip(), guests)
        assert list(said) == [guest.hostname for guest in guests]
        list(pool.map(lambda guest: kind.remove(guest, []), guests))
    kind.close()


def test_a_full_disk_is_told_and_nothing_is_left(kind: ContainerKind) -> None:
    other = GUEST.model_copy(update={"id": "r2", "namespace": "fakevm-h1-r2"})
    shell(f"mount -t tmpfs -o size=100k,nr_inodes=3 tmpfs {kind.folder}/containers")
    try:
        with pytest.raises(PlugFailed, match="No space left"):
            kind.make(other, [])
        kind.remove(other, [])
        kind.forget(other)
    finally:
        shell(f"umount {kind.folder}/containers")


# -- limits ---------------------------------------------------------------------------------------------------

BUSY = "import time; end = time.monotonic() + 2\nwhile time.monotonic() < end: pass\nprint(time.process_time())"


@pytest.fixture
def control_groups(tmp_path: Path) -> Iterator[None]:
    """Mount what there is of control groups, which the sandbox's own /sys hides."""
    mounted = []
    for kind, options in (("cgroup", "memory"), ("cgroup", "cpu"), ("cgroup2", "rw")):
        folder = tmp_path / f"{kind}-{options}"
        folder.mkdir()
        done = subprocess.run(["mount", "-t", kind, "-o", options, "none", folder], capture_output=True, check=False)
        mounted += [folder] * (done.returncode == 0)
    yield
    for folder in mounted:
        shell(f"umount {folder}")


def test_a_guest_has_no_more_than_its_limits(tmp_path: Path, control_groups: None) -> None:
    """Neither what runs in it, nor who comes in; where it may not be done, it is told."""
    kind = ContainerKind("h1", tmp_path / "state")
    guest = GUEST.model_copy(update={"settings": GuestSettings(limits=Limits(memory=48 << 20, cpus=0.1))})
    if cgroup.problem():
        with pytest.raises(PlugFailed, match="cannot have limits: cannot limit cpu and memory: "):
            kind.make(guest, [])
        kind.remove(guest, [])
        kind.close()
        return
    kind.make(guest, [])
    reach, own = container_entrance(guest.namespace, parent=False, limited=True)
    groups = {link.readlink() for link in groups_directory(guest.namespace).iterdir()}
    try:
        for argv in (kind.command(guest, [], []), [*reach, *own]):
            took = shell(shlex.join([*argv, "python3", "-c", BUSY]))
            assert float(took) < 0.6
            done = subprocess.run([*argv, "python3", "-c", "bytearray(200 << 20)"], capture_output=True, check=False)
            assert done.returncode in (137, -9), done
            assert shell(shlex.join([*argv, "echo", "there"])) == "there\n"
    finally:
        kind.remove(guest, [])
        kind.forget(guest)
        kind.close()
    assert groups and not any(group.exists() for group in groups)


# -- commands ------------------------------------------------------------------------------------------------


def test_signals_reach_a_command_and_its_status_comes_back(kind: ContainerKind) -> None:
    executions = Executions()
    line = "trap 'echo cleaning; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    started = executions.start(kind.command(GUEST, [], ["sh", "-c", line]), None)
    said = answered(executions, started, "ready")
    executions.signal(started, signal.SIGTERM)
    said += ended(executions, started)
    assert said == ["ready", "cleaning", 7]
    started = executions.start(kind.command(GUEST, [], ["sh", "-c", "echo ready; exec sleep 1000"]), None)
    assert [*answered(executions, started, "ready"), executions.signal(started, signal.SIGINT)][-1] is None
    assert ended(executions, started) == [130]


def test_a_command_ends_with_who_started_it(kind: ContainerKind, inside: Callable[[str], str]) -> None:
    reach, own = container_entrance(GUEST.namespace, parent=False, limited=False)
    for argv in (kind.command(GUEST, [], ["sleep", "1234"]), [*reach, *own, "sleep", "1234"]):
        with subprocess.Popen(argv) as started:
            until(lambda: "1234" in inside("ps -e -o args= | grep sleep.[1]234"))
            started.kill()
        until(lambda: not inside("ps -e -o args= | grep sleep.[1]234"))


def answered(executions: Executions, started: str, wanted: str) -> list[object]:
    import base64

    said, deadline = "", time.monotonic() + 30
    while wanted not in said:
        assert time.monotonic() < deadline
        said += base64.b64decode(executions.io(started, "", False, 1.0).stdout).decode()
    return list(said.split())


def ended(executions: Executions, started: str) -> list[object]:
    import base64

    said, deadline = "", time.monotonic() + 30
    while True:
        assert time.monotonic() < deadline
        answer = executions.io(started, "", False, 1.0)
        said += base64.b64decode(answer.stdout).decode()
        if answer.exit_status is not None:
            return [*said.split(), answer.exit_status]


# -- confinement: root in a guest tries it -------------------------------------------------------------------

# Each must fail; what it would have shown is in no answer.
ATTEMPTS = {
    "read the machine's passwords": "grep -v ':[*]:' /etc/shadow",
    "read the machine's ssh keys": "cat /etc/ssh/ssh_host_*_key",
    "read root's files": "cat $HOME/secret",
    "read root's files by the first process": "cat /proc/1/root$HOME/secret",
    "read root's files by all processes": "cat /proc/*/root$HOME/secret",
    "see labs": "ls /var/lib/fakevm /run/fakevm* /tmp/*",
    "see the guest's own files from below": "ls -d /containers /machine /proc/1/cwd/*upper",
    "mount the machine's disk": "for disk in /dev/vda /dev/sda; do mount $disk /mnt && exit; done; false",
    "make a disk": "mknod /tmp/disk b 8 0",
    "make a disk elsewhere": "mount -t tmpfs tmpfs /mnt && mknod /mnt/disk b 8 0",
    "write core_pattern": "echo x > /proc/sys/kernel/core_pattern",
    "write core_pattern without the mask": "umount -l /proc/sys && echo x > /proc/sys/kernel/core_pattern",
    "make the mask writable": "mount -o remount,bind,rw /proc/sys && echo x > /proc/sys/kernel/core_pattern",
    "write core_pattern by another proc": "mount -t proc proc /mnt && echo x > /mnt/sys/kernel/core_pattern",
    "write core_pattern by a part": "mount --bind /proc /mnt; umount /mnt/sys; echo x > /mnt/sys/kernel/core_pattern",
    "write sysrq-trigger": "ls /proc/sysrq-trigger && echo h > /proc/sysrq-trigger",
    "write sysfs": "echo 1 > /sys/kernel/mm/ksm/run || echo 1 > /sys/class/net/lo/mtu",
    "write sysfs, mounted again": "mount -o remount,rw /sys",
    "write sysfs, mounted elsewhere": "mount -t sysfs sysfs /mnt && echo 1 > /mnt/kernel/mm/ksm/run",
    "write control groups": "mount -t cgroup -o devices none /mnt && echo a > /mnt/devices.allow",
    "have control groups": "unshare --cgroup mount -t cgroup2 none /mnt && ls /mnt/cgroup.procs",
    "have control groups of the first version": "unshare --cgroup mount -t cgroup -o freezer none /mnt",
    "have them from further down": "unshare --user --map-root-user --cgroup --mount mount -t cgroup2 none /mnt",
    "be let have them": "echo 9 > /proc/sys/user/max_cgroup_namespaces",
    "set the clock": "date -s @$(date +%s)",
    "read the kernel's log": "dmesg",
    "read the kernel's memory": "head -c 1 /proc/kcore | grep -q .",
    "load a module": "python3 /tmp/program.py init_module",
    "load a program into the kernel": "python3 /tmp/program.py bpf",
    "see processes outside": "grep -l 1000[0]0 /proc/*/cmdline",
    "signal processes outside": "pkill -0 -f 1000[0]0",
    "join the machine's mounts": "nsenter --target 1 --user --mount true; ls $HOME/secret",
}
# Ends with 0 where the kernel lets it do more than refuse (x86-64: init_module, bpf's BPF_PROG_LOAD of a kprobe).
PROGRAM = """\
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
code = ctypes.create_string_buffer(bytes.fromhex("b700000000000000" "9500000000000000"))
attributes = ctypes.create_string_buffer(
    b"".join(n.to_bytes(size, "little") for n, size in ((2, 4), (2, 4), (ctypes.addressof(code), 8))) + bytes(120)
)
calls = {"init_module": (175, b"", 0, b""), "bpf": (321, 5, attributes, 120)}
failed = libc.syscall(*calls[sys.argv[1]]) < 0
sys.exit(failed and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS))
"""


def test_root_in_a_guest_cannot(inside: Callable[[str], str]) -> None:
    """Which of these it could, all at once."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/root"], check=True)
    Path("/root", "secret").write_text("of the machine")
    outside = subprocess.Popen(["sleep", "100000"])
    try:
        inside(f"cat > /tmp/program.py <<'END'\n{PROGRAM}\nEND")
        could = []
        for what, line in ATTEMPTS.items():
            said = inside(f"( {line} ) 2>&1 && echo IT COULD; umount -l /mnt 2>/dev/null")
            could += [f"{what}: {said}"] if "IT COULD" in said or "of the machine" in said else []
        assert not could, "\n".join(could)
    finally:
        outside.kill()
        outside.wait()
        subprocess.run(["umount", "-l", "/root"], check=True)


# Where only one user is known there is nobody to be.
OF_MANY_USERS = (
    "touch /usr/bin/own && chown nobody /usr/bin/own && chmod u+s /usr/bin/own",
    "setpriv --reuid nobody --clear-groups true",
)


def test_what_a_guest_is_meant_to_do_it_can(inside: Callable[[str], str]) -> None:
    """As root of its own network and files."""
    for line in (
        "sysctl -w net.ipv4.ip_forward=1",
        "ip link add name d0 type veth peer name d1 && ip link set dev d0 up",
        "nft add table inet t",
        "iptables -w -A INPUT -j ACCEPT",
        *OF_MANY_USERS * is_initial_user(),
        "hostname other",
        "unshare --mount --net true",
        "cat /proc/meminfo /sys/class/net/lo/mtu",
    ):
        assert inside(f"{line} >/dev/null 2>&1 && echo DONE") == "DONE", line
