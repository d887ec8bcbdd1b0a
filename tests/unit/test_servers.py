"""What a guest that is a server makes of its user data."""

from __future__ import annotations

import base64
import gzip
import http.client
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import Mock

import pytest

from fakevm.agent import consoles
from fakevm.agent.main import Agent
from fakevm.errors import CommandFailed
from fakevm.guest import console
from fakevm.guest.server import asking, starting, user_data
from fakevm.guest.server.boot import Birth, Boot
from fakevm.guest.server.cloud_config import CloudConfig
from fakevm.guest.server.inside import Inside
from fakevm.lab.reading import parse
from fakevm.model.guest import Guest, GuestSettings
from fakevm.model.server import Server
from fakevm.waiting import until

SCRIPT = b"#!/bin/bash -x\necho hello\n"
CONFIG = b"#cloud-config\nruncmd: [date]\n"


def kinds(data: bytes) -> list[tuple[str, bytes]]:
    return [(part.kind, part.content.strip()) for part in user_data.parts(data)]


def test_user_data_are_one_part_by_their_first_line() -> None:
    assert kinds(SCRIPT) == [("text/x-shellscript", SCRIPT.strip())]
    assert kinds(b"\n" + CONFIG) == [("text/cloud-config", CONFIG.strip())]
    assert kinds(gzip.compress(SCRIPT)) == [("text/x-shellscript", SCRIPT.strip())]
    assert kinds(b"anything") == [("text/plain", b"anything")]
    assert kinds(b" \n") == []
    assert kinds(b"\x1f\x8bno gzip")[0][0] == "text/plain"


def test_user_data_in_mimes_form_are_parts_in_their_order() -> None:
    whole = MIMEMultipart()
    whole.attach(MIMEText(SCRIPT.decode(), "x-shellscript"))
    whole.attach(MIMEText(CONFIG.decode(), "plain"))
    whole.attach(MIMEText("x", "part-handler"))
    found = [kind for kind, _ in kinds(whole.as_bytes())]
    assert found == ["text/x-shellscript", "text/cloud-config", "text/part-handler"]


class Recorder(Inside):
    """A guest in which all goes well; keeps what was done."""

    def __init__(self) -> None:
        super().__init__([])
        self.ran: list[tuple[str, ...]] = []
        self.wrote: dict[str, tuple[bytes, str, str, bool]] = {}

    def run(self, command: object, stdin: bytes = b"") -> tuple[int, str]:
        words = tuple(str(word) for word in command)  # type: ignore[attr-defined]
        self.ran.append((*words[4:], *stdin.decode().splitlines()))
        return 0, ""

    def write(self, path: str, content: bytes, *, mode: str = "0644", owner: str = "", append: bool = False) -> str:
        self.wrote[path] = (content, mode, owner, append)
        return ""


def applied(text: str) -> tuple[Recorder, list[str], str]:
    guest, told = Recorder(), list[str]()
    script = CloudConfig(guest, "cloud", told.append).apply(text.encode())
    return guest, told, script


def test_cloud_config_writes_files() -> None:
    packed = base64.b64encode(gzip.compress(b"deep")).decode()
    guest, told, _ = applied(f"""
write_files:
- {{path: /d, content: !!binary AAH/}}
- {{path: /etc/motd, content: hello, permissions: '0600', owner: 'cloud:cloud'}}
- {{path: /a, content: "aGk=", encoding: b64, permissions: 0755, append: true}}
- {{path: /b, content: "{packed}", encoding: gzip+base64}}
- {{path: /c, content: x, encoding: rot13}}
- {{content: nowhere}}
""")
    assert guest.wrote == {
        "/etc/motd": (b"hello", "0600", "cloud:cloud", False),
        "/a": (b"hi", "0755", "", True),
        "/b": (b"deep", "0644", "", False),
        "/d": (b"\0\1\xff", "0644", "", False),
    }
    assert [line.split(": ")[1] for line in told] == ["write_files", "write_files"]
    assert "rot13" in told[0]
    assert "path" in told[1]


def test_cloud_config_makes_users_and_lets_them_in() -> None:
    guest, told, _ = applied("""
ssh_authorized_keys: [key-of-mine]
users:
- default
- plain
- {name: admin, groups: 'adm, sudo', sudo: ['ALL=(ALL) NOPASSWD:ALL'], shell: /bin/sh, ssh_authorized_keys: [k1, k2]}
""")
    assert told == []
    assert guest.ran == [
        ("plain", "", ""),
        ("admin", "adm sudo", "/bin/sh"),
        ("admin", "ALL=(ALL) NOPASSWD:ALL"),
        ("admin", "k1", "k2"),
        ("cloud", "key-of-mine"),
    ]


def test_cloud_configs_commands_are_a_script() -> None:
    _, told, script = applied("packages: [nginx]\nruncmd:\n- echo a > /a\n- [touch, 'a b']\nfinal_message: done\n")
    assert script == "#!/bin/sh\necho a > /a\ntouch 'a b'\n"
    assert told == ["cloud-config: packages is ignored"]


@pytest.mark.parametrize(
    "text", ["a: [", "a: 2026-13-45", "- a", "just words", "write_files: 5", "users: [{groups: x}]"]
)
def test_cloud_config_that_is_none_is_told_on_the_console(text: str) -> None:
    _, told, script = applied(text)
    assert (len(told), script) == (1, "")


def test_metadata_of_which_half_comes_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Exception | bytes] = [http.client.IncompleteRead(b"{"), b'{"name": "a"}', b"user data"]

    def get(_url: str) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(asking, "_get", get)
    monkeypatch.setattr(asking, "_PAUSE", 0.0)
    assert asking.ask(10.0, lambda _line: None) == asking.Metadata({"name": "a"}, b"user data")


def test_keys_that_cannot_be_written_are_told_and_not_counted_as_theirs(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    metadata = asking.Metadata({"public_keys": {"mine": "ssh-ed25519 AAAA"}}, None)
    monkeypatch.setattr(asking, "ask", lambda *_: metadata)
    birth = Birth(name="a", instance="a", user="cloud", enter=["sh", "-c", "exit 3"], of_the_machine=True)
    Boot(birth).run()
    said = capfd.readouterr().out
    assert "fakevm: the keys of cloud cannot be written: status 3\n" in said
    assert "1 keys" not in said


def test_of_a_long_console_log_the_end_is_read(tmp_path: Path) -> None:
    assert console.read(tmp_path, 3) == b""
    (tmp_path / "console.log").write_bytes(b"much, then the end")
    assert console.read(tmp_path, 3) == b"end"
    assert console.read(tmp_path, 100) == b"much, then the end"


@pytest.mark.parametrize("kind", ["containers", "vm"])
def test_a_guest_cannot_fill_the_disk_with_its_console_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(consoles, "_PAUSE", 0.01)
    monkeypatch.setattr("fakevm.agent.recovery.recover", lambda _manager: None)
    parts = {"_manager": Mock(may_replace_devices=False), "_line": Mock(), "_folder": tmp_path}
    log = tmp_path / kind / "g1" / console.NAME
    log.parent.mkdir(parents=True)
    with log.open("ab", buffering=0) as said:
        said.write(b"x" * (20 << 20) + b"the end\n")
        Agent.start(cast("Agent", SimpleNamespace(**parts)))
        until(lambda: f"{size} bytes" if (size := log.stat().st_size) != 1 << 20 else "", "it is short", 20)
        assert console.read(log.parent, 8) == b"the end\n"
        said.write(b"more\n")
        assert console.read(log.parent, 13) == b"the end\nmore\n"


def test_a_boot_that_could_not_be_started_is_told_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "runtime_directory", lambda _namespace: tmp_path)
    guest = Guest(id="a", namespace="a", kind="container", settings=GuestSettings(server=Server()))
    for _ in range(2):
        with pytest.raises(CommandFailed, match="status 7"):
            starting.start(guest, [], ["sh", "-c", "exit 7", "sh"], tmp_path / "console.log")
    for _ in range(2):
        starting.start(guest, [], ["sh", "-c", "echo booted", "sh"], tmp_path / "console.log")
    assert (tmp_path / "console.log").read_text() == "booted\n"


def test_a_lab_file_says_who_the_user_is() -> None:
    said = "{a: {kind: container, server: debian}, b: {kind: container, server: {}}, c: {}}"
    guests = parse(f"hosts: {{host1: {{}}}}\nguests: {said}\n", "lab.yaml").guests
    assert [guests[name].server for name in "abc"] == [Server(user="debian"), Server(user="cloud"), None]
