"""Container guests that are servers: what they do of what the metadata says, and who may log in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm.errors import Prerequisite
from fakevm.guest.container import ContainerKind
from fakevm.guest.server import starting
from fakevm.model.guest import Guest, GuestSettings
from fakevm.model.server import Server

from .conftest import until

GUEST = Guest(
    id="s1", name="s1", hostname="s1", kind="container", namespace="fakevm-h1-s1",
    settings=GuestSettings(server=Server(user="cloud")),
)  # fmt: skip
USER_DATA = """\
#cloud-config
packages: [nginx]
write_files: [{path: /etc/motd, content: hello, permissions: '0600'}]
users: [default, {name: admin, groups: adm, sudo: 'ALL=(ALL) NOPASSWD:ALL'}]
runcmd: ['echo once >>/srv/runs', 'echo said by user data']
"""
_COMMANDS = ("sshd", "ssh", "ssh-keygen", "catatonit")

pytestmark = [
    pytest.mark.skipif(not all(map(shutil.which, _COMMANDS)), reason=f"needs {', '.join(_COMMANDS)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a server needs users of its own, and the sandbox has one id"),
]


class Run:
    """A guest of a kind, and the metadata that it is told, from a folder."""

    def __init__(self, kind: ContainerKind, folder: Path) -> None:
        self.kind = kind
        self._key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._key)], check=True)
        self._answers = folder / "answers"
        (self._answers / "openstack/latest").mkdir(parents=True)
        about = {"public_keys": {"mine": Path(f"{self._key}.pub").read_text()}}
        (self._answers / "openstack/latest/meta_data.json").write_text(json.dumps(about))

    def say(self, user_data: str) -> None:
        (self._answers / "openstack/latest/user_data").write_text(user_data)

    def serve(self) -> None:
        """Answer for the metadata agent; ends with the guest."""
        line = 'ip address add 169.254.169.254/32 dev lo; exec "$@"'
        server = [sys.executable, "-m", "http.server", "80", "--bind", "169.254.169.254", "-d", str(self._answers)]
        argv = self.kind.program(GUEST, [], ["sh", "-c", line, "sh", *server])
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def inside(self, line: str) -> str:
        argv = self.kind.command(GUEST, [], ["sh", "-c", line])
        done = subprocess.run(argv, text=True, capture_output=True, timeout=60, check=False)
        return (done.stdout + done.stderr).strip()

    def ssh(self, line: str, user: str = "cloud") -> str:
        """Log in, over the guest's own network."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "LogLevel=ERROR")
        words = ["ssh", "-F", "none", "-i", str(self._key), *(w for one in options for w in ("-o", one))]
        argv = self.kind.program(GUEST, [], [*words, f"{user}@127.0.0.1", line])
        done = subprocess.run(argv, text=True, capture_output=True, timeout=60, check=False)
        return (done.stdout + done.stderr).strip()

    @property
    def console(self) -> str:
        return self.kind.console_log(GUEST, 1 << 20).decode()

    def boot(self) -> None:
        prompts = self.console.count("s1 login:")
        self.kind.make(GUEST, [])
        self.serve()
        until(lambda: self.console.count("s1 login:") > prompts, timeout=60)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    kind = ContainerKind("h1", tmp_path / "state")
    yield Run(kind, tmp_path)
    kind.remove(GUEST, [])
    kind.forget(GUEST)
    kind.close()


def test_a_server_does_what_its_metadata_says(run: Run) -> None:
    run.say(USER_DATA)
    run.boot()
    assert "said by user data" in run.console
    assert "packages is ignored" in run.console
    assert run.ssh("id -un; hostname") == "cloud\ns1"
    assert "denied" in run.ssh("true", user="admin")
    assert run.inside("stat -c %a /etc/motd; cat /etc/motd; id -nG admin") == "600\nhelloadmin adm"
    assert run.inside("echo &>/dev/null; echo bash: $BASH_VERSION | cut -c1-7") == "bash: 5"
    # It is stopped and started: another boot of the same instance.
    run.kind.remove(GUEST, [])
    run.boot()
    assert run.inside("cat /srv/runs") == "once"
    assert run.ssh("id -un") == "cloud"
    # It is rebuilt.
    run.kind.remove(GUEST, [])
    run.kind.forget(GUEST)
    run.say("#!/bin/bash -x\necho mine >/srv/runs")
    run.boot()
    assert run.inside("cat /srv/runs") == "mine"
    assert "+ echo mine" in run.console


@pytest.mark.skipif(not shutil.which("sudo"), reason="needs sudo")
def test_its_user_may_do_all_by_sudo(run: Run) -> None:
    run.boot()
    assert run.ssh("sudo id -un") == "root"


def test_what_user_data_leave_running_is_not_waited_for(run: Run) -> None:
    run.say("#!/bin/sh\nsleep 1000 & echo begun")
    run.boot()
    assert "begun" in run.console
    until(lambda: "sleep 1000" in run.inside("ps -e -o args="))


def test_a_server_without_metadata_can_be_looked_into(run: Run) -> None:
    run.kind.make(GUEST, [])
    until(lambda: "no metadata yet" in run.console, timeout=60)
    until(lambda: "sshd" in run.inside("ps -e -o comm="), timeout=60)
    assert "denied" in run.ssh("true")


def test_where_there_is_one_user_id_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(Prerequisite, match="one user id only") as told:
        patch.setattr(Path, "read_text", lambda self: "deny\n")
        starting.require_users()
    assert "subuid" in (told.value.hint or "")
