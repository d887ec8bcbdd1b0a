"""What users bring for virtual machines: images and kernels that can be used, and those that are refused."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakevm.errors import Conflict, FakevmError, InvalidInput
from fakevm.lab.checks import running
from fakevm.lab.place import Places
from fakevm.lab.reading import parse
from fakevm.lab.settle.settling import settle
from fakevm.model.guest import Guest
from fakevm.model.interface import Interface, LinkEnd
from fakevm.model.machine import Seed
from fakevm.vm import agent, channel, disk, drive, entering, image, inside, kernel, seed
from fakevm.vm.login import Login, RefusedError
from fakevm.waiting import until

SECTOR = b"\xfa".ljust(510, b"\0") + b"\x55\xaa"
BZIMAGE = bytes(0x202) + b"HdrS" + bytes(16)


def qcow2(
    sector: bytes = SECTOR,
    *,
    backing: int = 0,
    features: int = 0,
    crypt: int = 0,
    packed: bool = False,
    bits: int = 16,
    table: int = 1 << 16,
) -> bytes:
    """Write an image as qemu-img does: its header, two tables, and one cluster of data."""
    cluster = 1 << 16
    head = b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQ", 3, backing, 0, bits, 1 << 20, crypt, 1, table, 0, 0, 0, 0)
    head += struct.pack(">QQQII", features, 0, 0, 4, 112)
    data, entry = sector, 3 * cluster | 1 << 63
    if packed:
        work = zlib.compressobj(9, zlib.DEFLATED, -12)
        data, entry = work.compress(sector.ljust(cluster, b"\0")) + work.flush(), 3 * cluster | 1 << 62
    parts = [head, struct.pack(">Q", 2 * cluster | 1 << 63), struct.pack(">Q", entry), data]
    return b"".join(part.ljust(cluster, b"\0") for part in parts)


@pytest.mark.parametrize(
    ("content", "kind", "size"),
    [
        (SECTOR + b"more", "raw", 1024),
        (SECTOR.ljust(0x8001, b"\0") + b"CD001".ljust(511, b"\0"), "iso", 0x8200),
        (qcow2(), "qcow2", 1 << 20),
        (qcow2(packed=True), "qcow2", 1 << 20),
    ],
)
def test_an_image_is_known_by_its_first_bytes(tmp_path: Path, content: bytes, kind: str, size: int) -> None:
    (tmp_path / "disk").write_bytes(content)
    assert image.seen(tmp_path / "disk") == image.Image(tmp_path / "disk", kind, size)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it has 0 bytes"),
        (b"\x1f\x8b" + bytes(600), r"packed \(gzip\)"),
        (b"KDMV" + bytes(600), "VMDK.*qemu-img convert"),
        (b"\x7fELF" + bytes(600), "a program, and no disk"),
        (qcow2(backing=512), "a file outside"),
        (qcow2(features=4), "data in a file outside"),
        (qcow2(crypt=1), "encrypted"),
        (qcow2(packed=True, bits=60), "is damaged"),
        (qcow2(table=1 << 63), "is damaged"),
        (qcow2(table=1 << 40), "is damaged"),
        (bytes(1024), "no boot loader.*another architecture"),
        (qcow2(bytes(446) + SECTOR[446:]), "no boot loader"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "disk").write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        image.seen(tmp_path / "disk")


def test_a_disk_without_a_boot_loader_may_have_a_kernel_beside_it(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(1024))
    assert image.seen(tmp_path / "disk", boots=False).size == 1024
    for name, said in (("none", "there is no"), ("", "is a folder")):
        with pytest.raises(InvalidInput, match=said):
            image.seen(tmp_path / name)


def test_an_image_that_another_qemu_writes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(SECTOR)
    with (tmp_path / "disk").open("r+b") as other:
        fcntl.fcntl(other, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_RDLCK, os.SEEK_SET, 101, 1, 0))
        with pytest.raises(InvalidInput, match="in use"):
            image.seen(tmp_path / "disk")
    assert image.seen(tmp_path / "disk").format == "raw"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"text", "is no kernel"),
        (bytes(0x38) + b"ARM\x64" + bytes(0x300), "another architecture"),
        (b"\x7fELF\2\1".ljust(18, b"\0") + b"\xb7\0", "another architecture"),
        (b"\x7fELF", "another architecture"),
    ],
)
def test_kernels_of_other_machines_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "good").write_bytes(BZIMAGE)
    assert kernel.seen(tmp_path / "good") == tmp_path / "good"
    (tmp_path / "kernel").write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        kernel.seen(tmp_path / "kernel")


def words_of(*drives: drive.Drive) -> str:
    return " ".join(drive.arguments(drives, drive.Slot()))


def test_an_image_is_only_read_and_names_no_file(tmp_path: Path) -> None:
    words = drive.arguments([drive.Drive("disk", "virtio", 7, "qcow2", tmp_path / "over", True)], drive.Slot())
    nodes = {one["node-name"]: one for one in (json.loads(word) for word in words if word.startswith("{"))}
    assert nodes["disk-image"] == {
        "node-name": "disk-image", "driver": "qcow2", "file": "disk-image-file", "backing": None,
        "read-only": True, "auto-read-only": False,
    }  # fmt: skip
    assert nodes["disk-image-file"]["read-only"]
    assert nodes["disk"]["backing"] == "disk-image"
    assert "virtio-blk-pci,drive=disk,id=disk-disk,addr=0x2.0,multifunction=on,bootindex=0" in words


@pytest.mark.parametrize(
    ("bus", "said"),
    [("scsi", "scsi-hd,"), ("sata", "ide-hd,drive=disk,id=disk-disk,bus=disk-bus.0"), ("ide", "bus=ide.0")],
)
def test_a_disk_is_on_the_bus_that_is_asked_for(tmp_path: Path, bus: str, said: str) -> None:
    assert said in words_of(drive.Drive("disk", bus, 7, "raw", tmp_path))


def test_an_iso_is_a_cd_and_a_seed_a_function_of_the_same_slot(tmp_path: Path) -> None:
    assert "ide-cd,drive=disk" in words_of(drive.Drive("disk", "virtio", 7, "iso"))
    said = words_of(drive.Drive("disk", "virtio", 7, "raw", tmp_path), drive.Drive("cidata", "virtio", tmp_path))
    assert '"label": "CIDATA"' in said
    assert "addr=0x2.1" in said
    assert "usb-storage,drive=cidata" in words_of(drive.Drive("cidata", "sata", tmp_path))


def test_a_seed_says_the_name_the_network_and_what_the_user_gives(tmp_path: Path) -> None:
    end = Interface(
        name="left", index=0, mac_address="02:00:00:00:00:01", mtu=1500, attachment=LinkEnd(link="a", end="a"),
        addresses=("10.0.0.1/24",),
    )  # fmt: skip
    folder = seed.write(
        tmp_path / "seed", Guest(id="g1", hostname="r1"), Seed(user_data="#!/bin/sh\n", keys=("k",)), [end]
    )
    about = json.loads((folder / "meta-data").read_text())
    assert about == {"instance-id": "g1", "local-hostname": "r1", "public-keys": ["k"]}
    assert (folder / "user-data").read_text() == "#!/bin/sh\n"
    assert json.loads((folder / "network-config").read_text())["ethernets"]["left"] == {
        "match": {"macaddress": "02:00:00:00:00:01"}, "set-name": "left", "mtu": 1500, "addresses": ["10.0.0.1/24"],
    }  # fmt: skip


def test_a_disk_is_made_once_and_goes_with_the_host_that_has_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def make(words: list[str], _doing: str) -> None:
        made.append(Path(words[-2]))
        made[-1].write_text("made")

    monkeypatch.setattr(disk, "_image_tool", make)
    monkeypatch.setattr("fakevm.vm.transfer._SHARED", tmp_path)
    (tmp_path / "image").write_bytes(SECTOR)
    here, there = (disk.Disk(Guest(id="g1"), host, tmp_path / host) for host in ("h1", "h2"))
    for each in (here, there):
        each.make(image.seen(tmp_path / "image"))
    here.own()
    assert len(made) == 1
    there.own()
    here.forget()
    assert there.file.exists()
    (tmp_path / "image").write_bytes(SECTOR * 2)
    with pytest.raises(Conflict, match="changed since"):
        there.make(image.seen(tmp_path / "image"))
    there.forget()
    assert not there.file.parent.exists()


LAB = """\
neutron: false
hosts: {{host1: {{}}}}
images: {{own: {folder}/disk}}
guests:
  r1: {{{guest}}}
  r2: {{interfaces: {{eth0: {{addresses: [10.0.0.2/24]}}}}}}
links: {{a: "r1:eth0 -- r2:eth0"}}
checks: {{in: {{kind: command, from: r1, run: date}}, to: {{kind: ping, from: r2, to: r1}}}}
"""
ENDS = "interfaces: {eth0: {addresses: [10.0.0.1/24]}}"


@pytest.mark.parametrize(
    ("guest", "said"),
    [
        ("machine: {nic: e1000}", "has no hardware of its own"),
        ("kind: vm, machine: {access: console}", "the tiny machine needs no such thing"),
        ("kind: vm, machine: {nic: e1000}", "a driver for virtio alone"),
        ("kind: vm, machine: {initrd: /none}", "initrd is for a `kernel`"),
        ("kind: vm, machine: {kernel: /none}", "the kernel /none cannot be read"),
        ("kind: vm, image: own, sysctl: {net.ipv4.ip_forward: 1}", "nothing is set in a machine"),
        ("kind: vm, image: own, run: [date]", "needs a way into this machine"),
        ("kind: vm, image: own, machine: {nic: ne2k}", "machine.nic"),
        ("kind: container, image: own", "is no tar archive"),
    ],
)
def test_what_a_machine_cannot_be_is_told(tmp_path: Path, guest: str, said: str) -> None:
    (tmp_path / "disk").write_bytes(SECTOR)
    with pytest.raises(FakevmError, match=said):
        settle(parse(LAB.format(folder=tmp_path, guest=f"{ENDS}, {guest}"), "lab.yaml"), kernel_datapath=False)


def test_checks_in_a_machine_into_which_nobody_gets_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(SECTOR)
    text = LAB.format(folder=tmp_path, guest=f"{ENDS}, kind: vm, image: own")
    lab = settle(parse(text, "lab.yaml"), kernel_datapath=False).lab
    (found,) = running.closed(Places(None, lab), lab.checks)  # type: ignore[arg-type]
    assert (found.name, found.status) == ("in", "skipped")
    assert "nobody gets into r1" in found.seen


class FakeAgent:
    """A guest agent that runs commands here."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._running: dict[int, Any] = {}
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                with caller, caller.makefile("rb") as lines:
                    for line in lines:
                        asked = json.loads(line.lstrip(b"\xff"))
                        if line.startswith(b"\xff"):
                            bad = b'{"error": {"class": "GenericError", "desc": "JSON parse error, stray \'\xff\'"}}\n'
                            caller.sendall(bad)
                        sync = asked["execute"] == "guest-sync-delimited"
                        answer = {"return": self._answer(asked["execute"], asked["arguments"])}
                        caller.sendall((b"\xff" if sync else b"") + json.dumps(answer).encode() + b"\n")

    def _answer(self, verb: str, given: dict[str, Any]) -> Any:
        if verb == "guest-sync-delimited":
            return given["id"]
        if verb == "guest-exec":
            begun = subprocess.Popen(
                [given["path"], *given["arg"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            assert begun.stdin
            begun.stdin.write(base64.b64decode(given.get("input-data", "")))
            begun.stdin.close()
            begun.stdin = None
            self._running[begun.pid] = begun
            return {"pid": begun.pid}
        begun = self._running[given["pid"]]
        if begun.poll() is None:
            return {"exited": False}
        out, err = (base64.b64encode(piece).decode() for piece in begun.communicate())
        status = {"exitcode": begun.returncode} if begun.returncode >= 0 else {"signal": -begun.returncode}
        return {"exited": True, "out-data": out, "err-data": err, **status}

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def its_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[agent.Agent]:
    served = FakeAgent(tmp_path / "agent")
    monkeypatch.setattr(agent, "_NOTES", str(tmp_path / "note-"))
    yield agent.Agent(str(tmp_path / "agent"))
    served.close()


def ended(command: agent.Command) -> tuple[bytes, bytes, int]:
    found: list[tuple[bytes, bytes, int]] = []

    def running() -> str:
        out, err, status = command.said()
        if status is not None:
            found.append((out, err, status))
        return "" if found else "runs"

    until(running, "it ends", 60)
    return found[0]


def test_a_command_goes_by_the_guest_agent(its_agent: agent.Agent) -> None:
    command = agent.Command(its_agent, ["sh", "-c", "cat; echo worse >&2; exit 7"])
    command.start(fed=True)
    command.feed(b"fed\n")
    assert command.said() == (b"", b"", None)
    command.feed(b"")
    assert ended(command) == (b"fed\n", b"worse\n", 7)
    command.forget()
    assert its_agent.ask("echo a; echo b") == ["a", "b"]


def test_a_command_by_the_guest_agent_is_ended_by_whoever_knows_it(its_agent: agent.Agent, tmp_path: Path) -> None:
    command = agent.Command(its_agent, ["sleep", "1000"])
    command.start(fed=False)
    until(lambda: "" if list(tmp_path.glob("note-*")) else "not yet", "it has begun", 60)
    time.sleep(0.2)  # it leads its group, then
    command.signal(15)
    assert ended(command)[2] == 128 + 15
    command.forget()
    assert not list(tmp_path.glob("note-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_by_the_guest_agent_that_awaits_its_input_can_be_ended(its_agent: agent.Agent, number: int) -> None:
    command = agent.Command(its_agent, ["cat"])
    command.start(fed=True)
    command.signal(number)
    command.feed(b"")
    assert command.said() == (b"", b"", 128 + number)


def test_at_a_terminal_a_command_by_the_guest_agent_begins_at_once(its_agent: agent.Agent, tmp_path: Path) -> None:
    (tmp_path / "access").write_text(json.dumps({"access": "agent"}))
    ours, terminal = pty.openpty()
    program = "import sys; from fakevm.vm import agent, entering; agent._NOTES, *words = sys.argv[1:]"
    program += "; sys.exit(entering.main(words))"
    done = subprocess.run(
        [sys.executable, "-c", program, *(str(tmp_path / name) for name in ("note-", "", "access")), "echo", "begun"],
        stdin=terminal, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(ours)
    os.close(terminal)
    assert (done.stdout, done.returncode) == ("begun\n", 0), done.stderr


def test_that_the_guest_agent_keeps_no_more_of_an_output_is_told(
    its_agent: agent.Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = agent.Command(its_agent, ["true"])
    command.start(fed=False)
    answer = {"exited": True, "exitcode": 0, "out-data": base64.b64encode(b"begin").decode(), "out-truncated": True}
    monkeypatch.setattr(its_agent, "call", lambda *_, **__: answer)
    out, err, status = command.said()
    assert (out, status) == (b"begin", 0)
    assert b"the rest is lost" in err


def test_a_silent_agent_is_told(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "agent"))
    listener.listen()
    with listener, pytest.raises(channel.NoAnswerError, match="does not answer"):
        agent.Agent(str(tmp_path / "agent")).ask("true", booting=0.3)


def test_the_way_in_is_as_it_was_written_down(tmp_path: Path) -> None:
    file = tmp_path / "access"
    assert isinstance(entering.way_in(tmp_path, file), channel.Shell)
    file.write_text(json.dumps({"access": "agent"}))
    assert isinstance(entering.way_in(tmp_path, file), agent.Agent)
    file.write_text(json.dumps({"access": "none"}))
    with pytest.raises(channel.NoAnswerError, match="no way into it"):
        entering.way_in(tmp_path, file)


class FakeConsole:
    """A console that asks who one is."""

    def __init__(self, path: Path, password: str) -> None:
        self.typed: list[str] = []
        self._password = password
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        prompt = b"\r\nvm login: "
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                with caller:
                    while said := caller.recv(4096):
                        prompt = self._next(prompt, said.decode().strip("\r"))
                        caller.sendall(prompt)

    def _next(self, prompt: bytes, said: str) -> bytes:
        if said:
            self.typed.append(said)
        if b"assword" in prompt:
            return b"\r\n\x1b[1m# " if said == self._password else b"\r\nLogin incorrect\r\nvm login: "
        return b"\r\nPassword: " if b"login" in prompt and said else prompt

    def close(self) -> None:
        self._listener.close()


@pytest.mark.parametrize("password", ["secret", "wrong"])
def test_one_logs_in_at_a_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setattr("fakevm.vm.login._ASKING", 0.1)
    console = FakeConsole(tmp_path / "console", "secret")
    login = Login(str(tmp_path / "console"), "root", password)
    if password == "secret":
        assert login.begin(time.monotonic() + 30)
        assert console.typed[:2] == ["root", "secret"]
        assert console.typed[2].startswith("sh -c ")
    else:
        with pytest.raises(RefusedError, match="'root'"):
            login.begin(time.monotonic() + 30)
    console.close()


def test_devices_are_known_by_their_mac_addresses() -> None:
    class Said:
        def ask(self, script: str, **_: float) -> list[str]:
            return [
                "lo 00:00:00:00:00:00",
                "ens3 02:00:00:00:00:01",
                ".",
                "2: ens3    inet 10.0.0.7/24 scope global ens3",
            ]

    assert inside.Inside(Said()).addresses({"02:00:00:00:00:01": "left"}) == {"left": ["10.0.0.7/24"]}
