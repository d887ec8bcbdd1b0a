"""Bad input and faults of a lab: a clear error, a non-zero exit, nothing left half-made."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import FAKEVM, Labs, begun, interrupt, until

Untouched = Callable[[], None]


def fails(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    for word in words:
        assert word in said
    assert "Traceback" not in said
    assert "fault of FakeVM's own" not in said


@pytest.mark.parametrize("words", [("down", "nowhere"), ("status", "nowhere"), ("env", "nowhere")])
def test_unknown_lab(labs: Labs, words: tuple[str, ...]) -> None:
    fails(labs.fakevm("lab", *words), 2, "there is no lab 'nowhere'", "fakevm lab up")


def test_no_lab(labs: Labs) -> None:
    fails(labs.fakevm("lab", "status"), 2, "no lab runs", "fakevm lab up")
    fails(labs.fakevm("lab", "down"), 2, "there is no lab")
    assert labs.fakevm("lab", "down", "--all").returncode == 0


def test_all_errors_of_a_lab_file_at_once(labs: Labs, untouched: Untouched) -> None:
    path = labs.folder / "wrong.yaml"
    path.write_text(
        "name: Not A Name\nrelease: 29.0.0\ndatapth: auto\n"
        "hosts:\n  compute1: {roles: [cook]}\n  h2:\n    firewal: noop\n"
        "physical_networks:\n  physnet1: {vlans: [200, 100]}\n"
    )
    done = labs.fakevm("lab", "up", str(path))
    fails(
        done, 2, "5 errors", f"{path}:1: name:", f"{path}:3: datapth: unknown key. Did you mean 'datapath'?",
        f"{path}:5: hosts.compute1.roles.0:", "'metadata' or 'gateway'",
        f"{path}:7: hosts.h2.firewal:", "'firewall'",
        f"{path}:9: physical_networks.physnet1.vlans: the first VLAN id",
    )  # fmt: skip
    untouched()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("backend: magic", "there is no backend 'magic'"),
        ("release: 1.2.3", "1.2.3"),
        ("hosts: {}", "at least one host"),
    ],
)
def test_what_a_lab_file_asks_for_and_is_not_there(labs: Labs, untouched: Untouched, text: str, said: str) -> None:
    path = labs.folder / "wrong.yaml"
    path.write_text(text)
    fails(labs.fakevm("lab", "up", str(path)), 2, said)
    untouched()


def test_a_lab_file_that_is_not_there(labs: Labs) -> None:
    fails(labs.fakevm("lab", "up", "/nowhere/lab.yaml"), 2, "/nowhere/lab.yaml: cannot read the lab file: No such file")


def test_a_port_that_is_taken(labs: Labs, untouched: Untouched) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        fails(labs.fakevm("lab", "up", "--api-port", port), 1, f"port {port} of 127.0.0.1", "in use", "--api-port")
    fails(labs.fakevm("lab", "up", "--api-port", "70000"), 2, "'70000' is not a port")
    untouched()


def _as_root_in_own_mounts(labs: Labs, before: str, *words: str) -> subprocess.CompletedProcess[str]:
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    script = f'{before} && "$0" "$@"'
    return subprocess.run(
        ["unshare", *user, "--mount", "sh", "-c", script, FAKEVM, *words],
        env=labs.env(), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


def test_no_room_at_all(labs: Labs, untouched: Untouched) -> None:
    mount = f"mount -t tmpfs -o size=20m small {labs.root}"
    fails(_as_root_in_own_mounts(labs, mount, "lab", "up"), 1, "20 MB free", "500 MB", "FAKEVM_LABS")
    untouched()


def test_the_disk_fills_up_while_a_lab_starts(labs: Labs, small_file: Path, untouched: Untouched) -> None:
    mount = (
        f"mount -t tmpfs -o size=540m small {labs.root}; (until [ -e {labs.root}/full/database ]; do sleep 0.01; done; "
        f"head -c 540m /dev/zero >{labs.root}/filler) 2>/dev/null & true"
    )
    done = _as_root_in_own_mounts(labs, mount, "lab", "up", str(small_file), "--name", "full")
    assert done.returncode == 1
    assert "no space left in" in done.stderr.lower(), done.stderr
    assert "Traceback" not in done.stderr
    untouched()


def test_a_missing_package_is_named(labs: Labs, untouched: Untouched) -> None:
    hide = "mount --bind /dev/null $(PATH=$PATH:/usr/sbin:/sbin command -v haproxy)"
    done = _as_root_in_own_mounts(labs, hide, "lab", "up")
    fails(done, 1, "haproxy (package haproxy)", "apt-get install haproxy")
    untouched()


def test_ctrl_c_while_python_starts(labs: Labs, small_file: Path, untouched: Untouched) -> None:
    process = labs.begin("lab", "up", str(small_file))
    time.sleep(0.1)
    interrupt(process)
    untouched()


# From the first import of the command on: no lab is up so soon.
@pytest.mark.parametrize(
    "moment", [0.3, 1.5, *(pytest.param(moment, marks=pytest.mark.slow) for moment in (0.1, 0.5, 0.8))]
)
def test_ctrl_c_while_a_lab_starts(labs: Labs, small_file: Path, untouched: Untouched, moment: float) -> None:
    process = labs.begin("lab", "up", str(small_file))
    begun(process)
    time.sleep(moment)
    status, said = interrupt(process)
    assert status == 130, said
    assert "Traceback" not in said
    untouched()


@pytest.mark.parametrize("step", ["database", "Neutron's server"])
def test_ctrl_c_while_it_waits(labs: Labs, small_file: Path, untouched: Untouched, step: str) -> None:
    """What is waited for after a step (the broker, the agents) is not there yet when the step is told."""
    said = labs.folder / "said"
    with said.open("w") as stream:
        process = labs.begin("lab", "up", str(small_file), stdout=stream)
        until(lambda: step in said.read_text())
        status, _ = interrupt(process)
    assert status == 130, said.read_text()
    assert "Traceback" not in said.read_text()
    said.unlink()
    untouched()


@pytest.mark.parametrize("signum", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_other_signals_end_it_tidily(labs: Labs, small_file: Path, untouched: Untouched, signum: int) -> None:
    def heed() -> None:
        """Undo what ``nohup`` around the tests may have done."""
        signal.signal(signum, signal.SIG_DFL)

    process = labs.begin("lab", "up", str(small_file), "--name", "ended", preexec_fn=heed)
    until((labs.root / "ended/pid").exists)
    status, said = interrupt(process, signum)
    assert status == 128 + signum, said
    untouched()


def test_a_program_that_dies_again_and_again_is_reported_at_once(
    labs: Labs, small_file: Path, untouched: Untouched
) -> None:
    process = labs.begin("lab", "up", str(small_file), "--name", "broken")
    ini = labs.root / "broken/neutron/uwsgi.ini"
    until(ini.exists)
    ini.write_text("[uwsgi]\nmodule = there.is.no.such:module\nneed-app = true\nhttp-socket = fd://3\n")
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 1
    # How often it died is told when its wait begins: the broker boots first.
    assert re.search(r"neutron-api died \d+ times", said), said
    assert "there.is.no.such" in said or "No module named" in said
    assert "lab logs neutron-api" in said

    listed = labs.fakevm("lab", "list", "-f", "value", "-c", "name", "-c", "state")
    assert listed.stdout.strip() == "broken failed"
    assert "No module named" in labs.fakevm("lab", "logs", "neutron-api", "-n", "100").stdout
    fails(labs.fakevm("lab", "status", "broken"), 2, "does not run any more", "fakevm lab down broken")
    assert labs.fakevm("lab", "down").returncode == 0
    untouched()


def test_records_that_cannot_be_read(labs: Labs, untouched: Untouched) -> None:
    for name, text in (("corrupt", "{"), ("binary", "\udcff"), ("old", '{"name": "old"}')):
        (labs.root / name).mkdir()
        (labs.root / name / "lab.json").write_text(text, errors="surrogateescape")
    (labs.root / "early").mkdir()
    listed = labs.fakevm("lab", "list", "-f", "value", "-c", "name", "-c", "state")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.split("\n")[:-1] == [f"{name} unreadable" for name in ("binary", "corrupt", "early", "old")]
    fails(labs.fakevm("lab", "status", "corrupt"), 1, "cannot be read", "fakevm lab down corrupt")
    for name in ("binary", "corrupt", "early", "old"):
        assert labs.fakevm("lab", "down", name).returncode == 0
    untouched()


def _started(labs: Labs, name: str, small_file: Path) -> None:
    """Leave a lab that starts for ever: its command is killed once its sandbox is there."""
    process = labs.begin("lab", "up", str(small_file), "--name", name)
    until((labs.root / name / "service/database/supervise/control").exists)
    until(lambda: labs.record(name).pid)
    process.kill()
    process.communicate()


def test_labs_side_by_side(labs: Labs, small_file: Path, untouched: Untouched) -> None:
    for name in ("one", "two"):
        _started(labs, name, small_file)
    fails(labs.fakevm("lab", "status"), 2, "several labs run: one, two", "--lab NAME")
    fails(labs.fakevm("lab", "down"), 2, "there are several labs: one, two")
    fails(labs.fakevm("lab", "up", "--name", "two"), 1, "lab 'two' runs already", "fakevm lab down two")
    hosts = [labs.fakevm("--lab", name, "lab", "exec", "lab", "--", "hostname").stdout for name in ("one", "two")]
    assert hosts == ["one\n", "two\n"]
    named = labs.fakevm("lab", "env", env=labs.env(FAKEVM_LAB="two"))
    assert "export FAKEVM_LAB=two" in named.stdout
    assert labs.fakevm("lab", "down", env=labs.env(FAKEVM_LAB="one")).returncode == 0
    assert "export FAKEVM_LAB=two" in labs.fakevm("lab", "env").stdout
    assert labs.fakevm("lab", "down").returncode == 0
    untouched()


def test_down_while_another_command_brings_it_up(labs: Labs, small_file: Path, untouched: Untouched) -> None:
    process = labs.begin("lab", "up", str(small_file), "--name", "contested")
    until((labs.root / "contested").exists)
    fails(labs.fakevm("lab", "up", str(small_file), "--name", "contested"), 1, "lab 'contested' runs already")
    assert labs.fakevm("lab", "down", "contested").returncode == 0
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 1, said
    untouched()
