"""How a command reaches a guest of a lab on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakevm.agent.attachments import interface_of
from fakevm.agent.store import GuestRecord, Nic
from fakevm.cli import exec_local
from fakevm.errors import Ambiguous, InvalidInput
from fakevm.lab import roster
from fakevm.model.guest import Guest
from fakevm.model.interface import Interface, LinkEnd
from fakevm.model.lab import LabRecord
from fakevm.model.port import Binding, Port

ONE = "1f3a0000-0000-4000-8000-000000000001"
SERVER = "50a58255-f3c3-5473-aae1-c3f6aa783ac"
TWO = "1f3b0000-0000-4000-8000-000000000002"


def _write(path: Path, name: str, port: str = "") -> None:
    port = port or path.stem
    guest = Guest(id=SERVER + path.stem[-1], name=name)
    plugged = Port(
        id=port, name=name, mac_address="m", mtu=1450, network_id="n", instance_id=guest.id,
        binding=Binding(host="h", vif_type="ovs"),
    )  # fmt: skip
    record = GuestRecord(guest=guest, nics=(Nic(interface=interface_of(plugged, 0)),))
    path.write_text(record.model_dump_json())


@pytest.fixture
def lab(tmp_path: Path) -> LabRecord:
    for host, port in (("compute1", ONE), ("compute2", TWO)):
        guests = tmp_path / "hosts" / host / "agent/guests"
        guests.mkdir(parents=True)
        _write(guests / f"{port}.json", f"web{host[-1]}")
    return LabRecord(
        name="x",
        directory=tmp_path,
        pid=1,
        hosts=(),
        state="up",
        endpoint="",
        transport_url="",
        release="",
        backend="",
        datapath="",
    )


def test_a_guest_is_found_by_a_prefix(lab: LabRecord) -> None:
    assert roster.choose_guest(lab, "1F3a", None) == ("compute1", SERVER + "1")
    assert roster.choose_guest(lab, "1f3", "compute2") == ("compute2", SERVER + "2")


def test_a_guest_is_found_by_its_name(lab: LabRecord) -> None:
    assert roster.choose_guest(lab, "web1", None) == ("compute1", SERVER + "1")
    assert roster.choose_guest(lab, SERVER + "2", None) == ("compute2", SERVER + "2")
    assert roster.choose_guest(lab, "web1", "compute2") is None
    _write(lab.directory / f"hosts/compute1/agent/guests/{TWO}.json", "1f3a")
    assert roster.choose_guest(lab, "1f3a", "compute1") == ("compute1", SERVER + "2")


def test_a_name_of_two_guests_lists_them(lab: LabRecord) -> None:
    _write(lab.directory / f"hosts/compute2/agent/guests/{TWO}.json", "web1")
    with pytest.raises(Ambiguous, match=f"(?s)web1 *{ONE}.*compute1.*web1 *{TWO}.*compute2"):
        roster.choose_guest(lab, "web1", None)
    assert roster.choose_guest(lab, "web1", "compute2") == ("compute2", SERVER + "2")


def test_a_record_that_cannot_be_read_is_no_error_here(lab: LabRecord) -> None:
    (lab.directory / f"hosts/compute1/agent/guests/{ONE}.json").write_text('{"web1"')
    assert roster.choose_guest(lab, "web1", None) is None


def test_a_guest_without_ports_is_found_by_its_name_and_id(lab: LabRecord) -> None:
    end = Interface(name="eth1", mac_address="m", mtu=1500, attachment=LinkEnd(link="l", end="a"))
    record = GuestRecord(guest=Guest(id="router", name="r1"), nics=(Nic(interface=end),))
    (lab.directory / "hosts/compute1/agent/guests/router.json").write_text(record.model_dump_json())
    for words in ("r1", "router"):
        assert roster.choose_guest(lab, words, None) == ("compute1", "router")


def test_no_guest_is_no_error_here_for_the_long_way_knows_more(lab: LabRecord) -> None:
    assert roster.choose_guest(lab, "2", None) is None
    assert roster.choose_guest(lab, "1f3a", "compute2") is None
    assert roster.choose_guest(lab, "*", None) is None
    assert roster.choose_guest(lab, "", None) is None


def test_a_prefix_of_several_lists_them(lab: LabRecord) -> None:
    with pytest.raises(Ambiguous, match=f"(?s){ONE}.*{TWO}"):
        roster.choose_guest(lab, "1f3", None)


def test_a_vif_on_two_hosts_asks_for_the_host(lab: LabRecord) -> None:
    _write(lab.directory / f"hosts/compute2/agent/guests/{ONE}.json", "web1")
    for words in ("1f3a", "web1"):
        with pytest.raises(Ambiguous, match="compute1, compute2") as caught:
            roster.choose_guest(lab, words, None)
        assert "--host" in caught.value.hint


def test_without_a_terminal_the_whole_group_ends_with_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda _fd: False)
    assert exec_local.wrap(["ls"], None, False) == ["timeout", "--kill-after=5", "0", "ls"]
    assert exec_local.wrap(["ls"], 1.5, False)[-5:] == ["150", "timeout", "--kill-after=5", "1.5", "ls"]
    with pytest.raises(InvalidInput):
        exec_local.wrap(["ls"], None, True)


def test_at_a_terminal_the_command_stays_in_the_foreground(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda _fd: True)
    assert exec_local.wrap(["ls"], None, False) == [*exec_local.INTERRUPTIBLE, "ls"]
    assert exec_local.wrap(["ls"], 2, False)[-5:-2] == ["timeout", "--foreground", "--kill-after=5"]
    assert exec_local.wrap(["echo", "a b"], None, True)[-2:] == ["echo 'a b'", "/dev/null"]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("exit 7", 7),
        ("kill -KILL $$", 137),
        ("sleep 30", 124),
        ("trap '' TERM; while :; do sleep 30; done", 124),
        ("trap 'exit 3' TERM; sleep 30 & wait", 124),
    ],
)
def test_a_command_that_is_stopped_in_time_ends_with_124(
    monkeypatch: pytest.MonkeyPatch, command: str, status: int
) -> None:
    monkeypatch.setattr(exec_local, "GRACE", 0.2)
    argv = exec_local.wrap(["sh", "-c", command], 0.5, False)
    assert subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=20, check=False).returncode == status


def test_a_command_with_a_timeout_ends_with_whoever_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_local, "GRACE", 0.2)
    argv = exec_local.wrap(["sh", "-c", "sleep 1; echo begun; sleep 60; true"], 50, False)
    # Not at once: timeout (coreutils 9.1) passes no signal on until it has noted whom it started.
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stdout.readline() == "begun\n"
        running.terminate()
        # Its output ends when the last process that holds it does.
        assert running.communicate(timeout=20)[0] == ""


def test_the_fast_way_imports_nothing_heavy() -> None:
    heavy = "{'cliff', 'pydantic', 'openstack', 'oslo_messaging', 'oslo_config', 'rich', 'stevedore', 'keystoneauth1'}"
    probe = (
        "import sys\n"
        "from fakevm.cli import main, exec_parser, exec_local\n"
        "from fakevm.lab import registry, sandbox\n"
        "from fakevm.guest import place\n"
        f"print(sorted({heavy} & {{name.partition('.')[0] for name in sys.modules}}))\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
