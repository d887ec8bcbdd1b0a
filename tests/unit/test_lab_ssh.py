"""ssh into guests, as far as nobody is needed for it: names, files, words in ssh's own protocol, a filter of calls."""

from __future__ import annotations

import os
import shlex
import struct
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm.errors import InvalidInput
from fakevm.lab.roster import Entry
from fakevm.lab.ssh import client, keys, refusal
from fakevm.linux import seccomp
from fakevm.model.lab import LabRecord


def id_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def entry(name: str, guest_id: str = "", host: str = "host1") -> Entry:
    return Entry(guest_id or id_of(name), name, host, "namespace", "running", False)


@pytest.fixture
def lab() -> Iterator[LabRecord]:
    """A lab in a folder with a short name: that of a socket is short, too."""
    with tempfile.TemporaryDirectory(prefix="fv-") as root:
        folder = Path(root, "mine")
        folder.mkdir()
        yield LabRecord(
            name="mine",
            directory=folder,
            pid=os.getpid(),
            hosts=(),
            state="up",
            release="",
            backend="none",
            datapath="",
        )


def test_names_are_such_as_ssh_takes_and_each_is_one_guest_s() -> None:
    alike = [entry("db", id_of("1")), entry("DB", id_of("2"))]
    names = client.names_of([entry("web1"), entry("we b*"), entry("-oProxyCommand=x"), entry("é"), *alike])
    assert names[id_of("web1")] == "web1"
    assert names[id_of("we b*")] == "we-b-"
    assert names[id_of("-oProxyCommand=x")] == "oProxyCommand-x"
    assert names[id_of("é")] == "guest"
    assert names[id_of("1")].startswith("db-") and names[id_of("2")].startswith("DB-")
    assert names[id_of("1")].lower() != names[id_of("2")].lower()


def test_a_file_is_what_ssh_reads(lab: LabRecord, tmp_path: Path) -> None:
    (lab.directory / "lab-file.json").write_text('{"guests": {"web1": {"ssh": {"jump": "gw"}}, "gw": {"ssh": null}}}')
    odd = entry("odd", "x\nProxyCommand touch /no")
    file = tmp_path / "config"
    file.write_text(client.config(lab, [entry("gw"), odd, entry("web1")]))
    for name, guest_id in (("gw", id_of("gw")), ("gw.mine", id_of("gw")), ("x-ProxyCommand-touch--no", odd.id)):
        done = subprocess.run(["ssh", "-F", file, "-G", name], capture_output=True, text=True, check=True)
        told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
        assert told["user"] == "root"
        assert told["identityfile"] == str(keys.user_key(lab))
        assert told["controlmaster"] == "auto"
        assert told["hostkeyalias"] == keys.mark(guest_id)
        words = shlex.split(told["proxycommand"])
        assert words[-2:] == ["--stdio", keys.mark(guest_id)]
    jumping = subprocess.run(["ssh", "-F", file, "-G", "web1"], capture_output=True, text=True, check=True)
    assert f"ssh --jump gw --stdio {keys.mark(id_of('web1'))}" in jumping.stdout


def test_a_folder_that_ssh_cannot_read_is_refused(lab: LabRecord) -> None:
    odd = lab._replace(directory=lab.directory / 'a"b')
    odd.directory.mkdir()
    with pytest.raises(InvalidInput, match="ssh cannot read"):
        client.common(odd)


def test_long_paths_have_no_shared_connection(lab: LabRecord) -> None:
    deep = lab._replace(directory=lab.directory / ("x" * 100))
    assert client.shared(deep, "g") == {}


def test_keys_are_made_once_and_are_nobody_else_s(lab: LabRecord) -> None:
    user, guest = keys.user_key(lab), keys.guest_key(lab, "g")
    texts = user.read_text(), guest.read_text()
    assert (keys.user_key(lab).read_text(), keys.guest_key(lab, "g").read_text()) == texts
    assert {path.stat().st_mode & 0o777 for path in (user, guest, keys.known_hosts(lab))} == {0o600}
    assert keys.folder(lab).stat().st_mode & 0o777 == 0o700
    keys.guest_key(lab, "h")
    marks = [line.split()[0] for line in keys.known_hosts(lab).read_text().splitlines()]
    assert marks == [keys.mark("g"), keys.mark("h")]


def test_a_refusal_is_shown_by_the_stock_client() -> None:
    words = "the guest web1 is stopped: 100 % \\n"
    told = f"'{sys.executable}' -c 'import sys; from fakevm.lab.ssh import refusal; refusal.tell(sys.argv[1])'"
    for proxy in (f"{told} {shlex.quote(words)}", f"sh -c \"printf '{refusal.for_printf(words)}'; cat >/dev/null\""):
        argv = ["ssh", "-F", "none", "-o", f"ProxyCommand={proxy.replace('%', '%%')}", "x", "true"]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 255
        assert "the guest web1 is stopped: 100 %" in done.stderr


@pytest.mark.parametrize("length", range(20))
def test_a_packet_is_whole_blocks(length: int) -> None:
    packet = refusal.packet("x" * length).removeprefix(b"SSH-2.0-FakeVM\r\n")
    size, padding = struct.unpack(">IB", packet[:5])
    assert (len(packet) % 8, size, padding >= 4) == (0, len(packet) - 4, True)


def test_the_filter_answers_a_few_calls_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    code = (
        "import os, sys\n"
        "os.setgroups([12345])\n"
        "os.chown(sys.argv[1], os.getuid(), 5)\n"
        "os.chmod(sys.argv[1], 0o620)\n"
        "print(os.getgroups())\n"
    )
    argv = [sys.executable, "-I", "-S", seccomp.__file__, sys.executable, "-c", code, str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == f"{os.getgroups()}\n"
    assert (file.stat().st_gid, file.stat().st_mode & 0o777) == (os.getgid(), 0o620)


def test_machines_whose_calls_are_not_known_are_told() -> None:
    with pytest.raises(KeyError):
        seccomp.program("riscv64")
