"""Guests that are virtual machines: their archives, QEMU's command line, and commands through a serial port's shell."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm.errors import Unreachable
from fakevm.model.guest import Guest, GuestSettings
from fakevm.model.interface import Interface, LinkEnd
from fakevm.vm import acceleration, archive, channel, inside, jail, machine, tiny, transfer
from fakevm.vm.machine import Card, Machine
from fakevm.vm.place import Sockets
from fakevm.vm.qmp import Monitor
from fakevm.waiting import until


def unpacked(data: bytes) -> dict[str, tuple[int, bytes]]:
    """Read an archive as the kernel does: names with their modes and contents."""
    found, at = {}, 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name = data[at + 110 : at + 110 + fields[11] - 1].decode()
        at += 110 + fields[11] + (-(110 + fields[11])) % 4
        if name == "TRAILER!!!":
            return found
        found[name] = fields[1], data[at : at + fields[6]]
        at += fields[6] + (-fields[6]) % 4


def test_an_archive_has_what_was_packed() -> None:
    packed = archive.packed([
        archive.folder("etc"), archive.file("etc/name", "r1\n"), archive.link("sh", "busybox"),
        archive.file("run", b"\0\1\2", 0o755), archive.character_device("console", 5, 1),
    ])  # fmt: skip
    found = unpacked(packed)
    assert found["etc/name"] == (stat.S_IFREG | 0o644, b"r1\n")
    assert found["sh"] == (stat.S_IFLNK | 0o777, b"busybox")
    assert found["run"] == (stat.S_IFREG | 0o755, b"\0\1\2")
    assert stat.S_ISDIR(found["etc"][0])
    assert stat.S_ISCHR(found["console"][0])


def test_a_machine_is_told_its_name_interfaces_and_settings() -> None:
    end = Interface(
        name="left", index=1, mac_address="02:00:00:00:00:01", mtu=9000, attachment=LinkEnd(link="a", end="a"),
        addresses=("10.0.0.1/24",),
    )  # fmt: skip
    guest = Guest(id="r1", hostname="r1", settings=GuestSettings(sysctl={"net.ipv4.ip_forward": "1"}))
    found = unpacked(tiny.own(guest, [end]))
    assert found["etc/hostname"][1] == b"r1\n"
    assert found["etc/fakevm/sysctl"][1] == b"net.ipv4.ip_forward=1\n"
    assert found["etc/fakevm/interfaces"][1] == b"02:00:00:00:00:01 left 9000 static 2048 10.0.0.1/24\n"


def test_qemus_command_line() -> None:
    wanted = Machine(
        title="a,b",
        sockets=Sockets(*(Path("/run/x", name) for name in ("console", "shell", "qmp", "monitor", "agent"))),
        log=Path("/log"),
        kernel=Path("/kernel"),
        initrd=Path("/initrd"),
        cards=[Card("nic0", "fa:16:3e:00:00:01", 9, 3)],
        acceleration="tcg",
        asleep=True,
    )
    words = machine.arguments(wanted)
    assert words[words.index("-name") + 1] == "guest=a,,b"
    assert words[words.index("-netdev") + 1] == "tap,id=nic0-net,fd=9"
    card = words[words.index("-device") + 1]
    assert card == "virtio-net-pci,id=nic0,netdev=nic0-net,mac=fa:16:3e:00:00:01,addr=0x3,romfile="
    assert "-S" in words
    assert words[words.index("-sandbox") + 1].startswith("on,")
    assert "-S" not in machine.arguments(wanted._replace(asleep=False))


def test_addresses_are_those_that_can_be_used() -> None:
    said = [
        "1: lo    inet 127.0.0.1/8 scope host lo",
        "2: eth0    inet 10.0.0.7/24 brd 10.0.0.255 scope global eth0",
        "2: eth0    inet6 2001:db8::7/64 scope global dynamic flags 100 ",
        "2: eth0    inet6 2001:db8::8/64 scope global tentative ",
        "2: eth0    inet6 fe80::1/64 scope link ",
        "3: eth1    inet 10.0.1.7/24 scope global eth1",
    ]
    assert inside.addresses(said) == {"eth0": ["10.0.0.7/24", "2001:db8::7/64"], "eth1": ["10.0.1.7/24"]}


def serve(listener: socket.socket, line: socket.socket) -> None:
    """Give callers a line, one after the other, as QEMU does with a serial port."""
    with contextlib.suppress(OSError):
        while True:
            caller, _ = listener.accept()
            with caller:
                while pass_on(caller, line):
                    pass


def pass_on(caller: socket.socket, line: socket.socket) -> bool:
    """Pass on what either says; what is said to a caller who has gone is lost."""
    ready, _, _ = select.select([caller, line], [], [])
    if line in ready:
        said = line.recv(4096)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            caller.sendall(said)
    if caller in ready:
        try:
            said = caller.recv(4096)
        except ConnectionResetError:
            return False
        line.sendall(said)
        return bool(said)
    return True


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The socket of a shell as machines have it."""
    monkeypatch.setattr(channel, "_FOLDER", str(tmp_path / "commands"))
    ours, its = socket.socketpair()
    process = subprocess.Popen(["sh"], stdin=its, stdout=its, stderr=subprocess.DEVNULL)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "shell"))
    listener.listen()
    threading.Thread(target=serve, args=(listener, ours), daemon=True).start()
    yield str(tmp_path / "shell")
    process.kill()
    process.wait()
    for each in (listener, ours, its):
        each.close()


def ended(command: channel.Command) -> tuple[bytes, bytes, int]:
    out = err = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        more, worse, status = command.said()
        out, err = out + more, err + worse
        if status is not None:
            return out, err, status
    raise AssertionError("it did not end")


def test_a_command_has_its_output_and_status(shell: str) -> None:
    command = channel.Command(channel.Shell(shell), ["sh", "-c", "echo 'it is'; printf '\\0\\377' >&2; exit 7"])
    command.start(fed=False)
    assert ended(command) == (b"it is\n", b"\0\377", 7)
    missing = channel.Command(channel.Shell(shell), ["no-such-command"])
    missing.start(fed=False)
    assert ended(missing)[2] == 127


def test_much_is_said_whole(shell: str) -> None:
    command = channel.Command(channel.Shell(shell), ["seq", "20000"])
    command.start(fed=False)
    assert ended(command)[0].split() == [b"%d" % number for number in range(1, 20001)]


def test_a_command_is_fed(shell: str) -> None:
    given = bytes(range(256)) * 40
    command = channel.Command(channel.Shell(shell), ["cat"])
    command.start(fed=True)
    command.feed(given)
    command.feed(b"")
    assert ended(command)[0] == given


def test_several_run_at_once_and_a_signal_ends_one(shell: str) -> None:
    long, short = (channel.Command(channel.Shell(shell), ["sleep", "1000"]) for _ in range(2))
    long.start(fed=False)
    short.start(fed=False)
    assert long.said()[2] is None
    short.signal(signal.SIGINT)
    assert ended(short)[2] == 128 + signal.SIGINT
    assert long.said()[2] is None
    long.forget()
    short.forget()


def test_what_others_left_half_said_is_passed_over(shell: str) -> None:
    with socket.socket(socket.AF_UNIX) as rude:
        rude.connect(shell)
        rude.sendall(b"seq 100000\n")
    assert channel.Shell(shell).ask("echo mine") == ["mine"]


def test_a_machine_without_a_shell_is_told(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "silent"))
    listener.listen()
    with listener, pytest.raises(channel.NoAnswerError, match="no shell"):
        channel.Shell(str(tmp_path / "silent")).ask("true", booting=0.3)


def test_no_link_takes_the_place_of_a_shells_lock(shell: str, tmp_path: Path) -> None:
    Path(f"{shell}.lock").symlink_to(tmp_path / "made")
    with pytest.raises(OSError, match="lock"):
        channel.Shell(shell).ask("true")
    assert not (tmp_path / "made").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_qemu_cannot_put_links_where_its_hosts_root_writes(tmp_path: Path) -> None:
    place, sockets, kept = tmp_path / "place", tmp_path / "sockets", tmp_path / "kept"
    for each in (place, sockets):
        each.mkdir()
    for file in (place / "console.log", place / "initrd", kept):
        file.touch()
    (place / "link").symlink_to(kept)
    jail.own(sockets, place / "console.log", 1_900_000_001)
    owners = {path.name: path.stat().st_uid for path in (place, sockets, kept, *place.iterdir())}
    assert owners == {
        "place": 0, "initrd": 0, "kept": 0, "link": 0, "sockets": 1_900_000_001, "console.log": 1_900_000_001,
    }  # fmt: skip
    assert not place.stat().st_mode & 0o022


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_qemu_that_stays_who_it_is_has_no_privilege(tmp_path: Path) -> None:
    root, place = tmp_path / "root", tmp_path / "place"
    for each in (root, place):
        each.mkdir()
    tries = ["sh", "-c", f"echo written >{place}/file; chown 1234 {place}/file"]
    done = subprocess.run(
        jail.command(tries, root=root, uid=0, writable=[place], readable=[]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "not permitted" in done.stderr
    assert (place / "file").read_text() == "written\n"


@pytest.mark.parametrize(("mode", "found"), [(0o600, "tcg"), (0o660, "kvm"), (0o666, "kvm")])
def test_kvm_is_for_those_who_may_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, found: str
) -> None:
    """QEMU is of its device's group, and nobody who rules anything."""
    device = tmp_path / "kvm"
    device.touch()
    device.chmod(mode)
    monkeypatch.setattr(acceleration, "_DEVICE", device)
    monkeypatch.setattr(acceleration, "own_cache", lambda: tmp_path)
    monkeypatch.setattr(acceleration, "_starts", lambda _: True)
    system = tiny.Tiny(Path("/vmlinuz"), Path("/archive"))
    assert acceleration.chosen(tmp_path, system, 1_900_000_001) == found
    assert acceleration.chosen(tmp_path, system, 0) == "kvm"


def test_a_trial_ends_with_who_tries(tmp_path: Path) -> None:
    """An agent may be killed meanwhile."""
    qemu, note = tmp_path / "usr/bin/qemu-system-x86_64", tmp_path / "pid"
    qemu.parent.mkdir(parents=True)
    qemu.write_text(f"#!/bin/sh\necho $$ >{note}.new; mv {note}.new {note}; exec sleep 1000\n")
    qemu.chmod(0o755)
    begin = f"""
from pathlib import Path
from fakevm import tool
from fakevm.vm import acceleration, tiny
acceleration.tool.find = lambda name: tool.Found(tool.of(name), Path({str(tmp_path)!r}))
acceleration._starts(tiny.Tiny(Path("/vmlinuz"), Path("/archive")))
"""
    agent = subprocess.Popen([sys.executable, "-c", begin])
    until(lambda: "" if note.exists() else "not yet", "the trial begins", 60)
    trial = os.pidfd_open(int(note.read_text()))
    try:
        agent.kill()
        agent.wait()
        ended = select.select([trial], [], [], 20)[0]
        if not ended:
            signal.pidfd_send_signal(trial, signal.SIGKILL)
        assert ended
    finally:
        os.close(trial)


def test_a_monitor_that_others_have_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "qmp"))
    listener.listen(0)
    before = time.monotonic()
    with listener, socket.socket(socket.AF_UNIX) as other:
        other.connect(str(tmp_path / "qmp"))
        with pytest.raises(Unreachable, match=r"others' for 0\.3 s"):
            Monitor(tmp_path / "qmp", timeout=0.3)
    assert time.monotonic() - before < 20


class FakeQemu:
    """A monitor that remembers what it was asked; ``migration`` is what it says of that."""

    def __init__(self, path: Path) -> None:
        self.asked: list[str] = []
        self.migration = "none"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                with caller:
                    caller.sendall(b'{"QMP": {}}\n')
                    while said := caller.recv(4096):
                        caller.sendall(
                            json.dumps({"return": self._answer(json.loads(said)["execute"])}).encode() + b"\n"
                        )

    def _answer(self, command: str) -> dict[str, str]:
        self.asked.append(command)
        changes = {"migrate": "pre-switchover", "migrate_cancel": "cancelled", "migrate-continue": "completed"}
        self.migration = changes.get(command, self.migration)
        return {"status": self.migration} if command == "query-migrate" else {}

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeQemu]:
    monkeypatch.setattr(transfer, "_FOLDER", tmp_path / "transfers")
    found = FakeQemu(tmp_path / "qmp")
    yield found
    found.close()


def taken(offer: transfer.Offer, qemu: FakeQemu) -> socket.socket:
    taker = socket.socket(socket.AF_UNIX)
    taker.connect(str(offer.path))
    until(lambda: "" if qemu.migration == "pre-switchover" else "not taken", "it is taken", 10)
    return taker


def test_a_machine_goes_on_when_who_takes_its_memory_has_gone(tmp_path: Path, qemu: FakeQemu) -> None:
    """It stands still already before the last of it is copied."""
    offer = transfer.Offer(tmp_path / "qmp")
    assert not offer.is_void
    with taken(offer, qemu):
        assert not offer.is_void
    until(lambda: "" if offer.is_void else "still offered", "nobody can have it", 10)
    assert {"migrate_cancel", "cont"} <= set(qemu.asked)
    offer.withdraw()


def test_a_machine_that_has_moved_stays_where_it_is(tmp_path: Path, qemu: FakeQemu) -> None:
    offer = transfer.Offer(tmp_path / "qmp")
    with taken(offer, qemu):
        offer.finish()
    time.sleep(0.3)
    assert qemu.migration == "completed"
    assert not {"migrate_cancel", "cont"} & set(qemu.asked)
