"""What checkpoints are made of: messages to CRIU, its images, the folder, files with what was deleted below them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fakevm import errors
from fakevm.control.checkpointing import Checkpointing
from fakevm.guest.checkpoint import criu, files, folder, images, trees, unpacking, wire
from fakevm.guest.container import ContainerKind
from fakevm.lab import checkpoints
from fakevm.model.checkpoint import Checkpoint, ProcessesSeen, TreeWritten
from fakevm.model.guest import Guest, GuestState
from fakevm.model.interface import Interface, LinkEnd
from fakevm.model.lab import LabRecord
from fakevm.vm.kind import VmKind

from .world import World, guest, interface


def test_fields_of_a_message() -> None:
    inner = wire.pack((1, "file[1:2]"), (2, 300))
    message = wire.pack((1, 2), (2, inner), (64, -1), (6, True))
    assert dict(wire.fields(message)) == {1: 2, 2: inner, 64: (1 << 64) - 1, 6: 1}
    assert wire.first(inner, 2, 0) == 300
    assert wire.first(inner, 3, b"none") == b"none"


def test_a_message_without_a_field_within() -> None:
    core = wire.pack((1, 1), (5, wire.pack((1, 7), (8, 9), (13, "sleep"))), (3, "else"))
    assert wire.without(core, (5, 8)) == wire.pack((1, 1), (5, wire.pack((1, 7), (13, "sleep"))), (3, "else"))
    assert wire.without(core, (4, 8)) == core


@pytest.mark.parametrize("message", [b"\x0b\x01", b"\x12\x09ab", b"\xff"])
def test_what_is_no_message_is_told(message: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        list(wire.fields(message))


def test_processes_outlive_their_parents(tmp_path: Path) -> None:
    def image(*threads: bytes) -> bytes:
        messages = [wire.pack((1, 1), (5, thread)) for thread in threads]
        return b"magicnum" + b"".join(len(one).to_bytes(4, "little") + one for one in messages)

    file = tmp_path / "core-7.img"
    file.write_bytes(image(wire.pack((1, 0), (8, 9)), wire.pack((1, 1))))
    images.let_outlive_parents(tmp_path)
    assert file.read_bytes() == image(wire.pack((1, 0)), wire.pack((1, 1)))


def written(place: Path) -> Checkpoint:
    checkpoint = Checkpoint(
        guest=Guest(id="g1", name="web"), state=GuestState(), trees=(TreeWritten(number=7, highest=9, name="nginx"),)
    )
    with folder.written(place) as new:
        folder.describe(new, checkpoint)
    return checkpoint


def test_a_folder_gets_its_name_when_all_is_there(tmp_path: Path) -> None:
    place = tmp_path / "saved"
    with pytest.raises(KeyboardInterrupt), folder.written(place) as new:
        (new / "half").touch()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    checkpoint = written(place)
    assert place.stat().st_mode & 0o777 == 0o700
    assert folder.read(place) == checkpoint
    with pytest.raises(errors.Conflict, match="there already"):
        written(place)
    assert folder.discard(place)
    assert not folder.discard(place)


@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_a_folder_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    place = tmp_path / "saved"
    written(place)
    place.chmod(mode)
    with pytest.raises(errors.InvalidInput, match="others can write"):
        folder.read(place)


def test_another_users_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "saved"
    written(place)
    monkeypatch.setattr(os, "geteuid", lambda: place.stat().st_uid + 1)
    with pytest.raises(errors.InvalidInput, match="another user"):
        folder.read(place)


def test_what_is_no_checkpoint_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound, match="no checkpoint"):
        folder.read(tmp_path / "nothing")
    tmp_path.chmod(0o700)
    with pytest.raises(errors.NotFound, match="half of one"):
        folder.read(tmp_path)
    (tmp_path / "checkpoint.json").write_text('{"form": 2}')
    with pytest.raises(errors.InvalidInput, match="version"):
        folder.read(tmp_path)


def test_a_guests_links_lead_to_no_files_of_its_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its root may have put folders of his own over /dev and /run."""
    secret, root, place, saved = (tmp_path / name for name in ("host", "processes/1/root", "place", "saved"))
    for made in (secret, root / "run", root / "dev", place, saved):
        made.mkdir(parents=True)
    (secret / "shadow").write_text("secret")
    (root / "run/pid").write_text("7")
    (root / "dev/shm").symlink_to(secret)
    monkeypatch.setattr(files, "processes_directory", lambda _: tmp_path / "processes")
    files.pack("guest", place, saved, seconds=30)
    assert [path.name for path in saved.iterdir()] == ["run.tar"]


def test_what_changes_while_it_is_packed_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, tar = tmp_path / "place", tmp_path / "bin/tar"
    for made in (place / "upper/log", tar.parent):
        made.mkdir(parents=True)
    monkeypatch.setattr(files, "processes_directory", lambda _: tmp_path / "processes")
    monkeypatch.setenv("PATH", f"{tar.parent}:{os.environ['PATH']}")
    tar.write_text("#!/bin/sh\nexit 1\n")
    tar.chmod(0o755)
    files.pack("guest", place, tmp_path, seconds=30)
    tar.write_text("#!/bin/sh\nexit 2\n")
    with pytest.raises(errors.CommandFailed):
        files.pack("guest", place, tmp_path, seconds=30)


def test_what_a_guest_has_put_among_the_images_is_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"magicnum")
    (tmp_path / "core-8.img").symlink_to(kept)
    with pytest.raises(OSError, match="core-8"):
        images.let_outlive_parents(tmp_path)
    (tmp_path / "core-8.img").unlink()
    os.mkfifo(tmp_path / "core-8.img")
    with pytest.raises(OSError, match="no file"):
        images.let_outlive_parents(tmp_path)


def test_that_new_pipes_are_too_small_is_told_with_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "criu.log").write_text(
        "(00.1) Error (criu/pipes.c:470): Unable to set a pipe size: Operation not permitted\n"
    )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, subprocess.Popen(["sleep", "100"], start_new_session=True) as child:
        theirs.send(wire.pack((1, 1), (2, False)))
        started = contextlib.nullcontext((ours, 0, child))
        monkeypatch.setattr(criu, "_started", lambda *_: started)
        program = criu.Program(Path("/ld"), (), Path("/criu"))
        with pytest.raises(errors.PlugFailed, match="Unable to set a pipe size") as told:
            criu.dump(program, "", 7, tmp_path, outside=(), seconds=60)
    assert "fs.pipe-user-pages-soft" in told.value.hint


def test_a_guest_without_processes_is_seen_without_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "1"
    place.mkdir()
    (place / "mountinfo").write_text("")
    (place / "status").write_text("Name:\tcatatonit\nState:\tS (sleeping)\nPPid:\t0\n")
    (place / "stat").write_text("1 (catatonit) S 0 1 1 0")
    monkeypatch.setattr(trees, "processes_directory", lambda _: tmp_path)
    monkeypatch.setattr(trees, "run", lambda _: pytest.fail("nobody is to be asked"))
    assert trees.find("guest", {}) == []


def test_that_a_guests_first_process_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.PlugFailed, match="cannot see the processes of"):
        ContainerKind("host", tmp_path).processes(Guest(id="g1", namespace="fakevm-no-such-guest"), {})


@pytest.mark.parametrize(
    ("kind", "mac", "problem"),
    [
        ("container", "fa:16:3e:00:00:01", ""),
        ("container", "fa:16:3e:00:00:02", "fa:16:3e:00:00:02"),
        ("vm", "fa:16:3e:00:00:01", "of a container"),
    ],
)
def test_a_guest_that_cannot_go_on_is_refused_before_it_ends(kind: str, mac: str, problem: str) -> None:
    made = World(guest("g2", "h2", interface("eth1", "core", kind="link", mac_address=mac), name="web", kind=kind))
    had = Interface(name="eth1", mac_address="fa:16:3e:00:00:01", mtu=1450, attachment=LinkEnd(link="core", end="a"))
    made.checkpoint = Checkpoint(
        guest=Guest(id="g1", name="web", kind="container"), state=GuestState(), interfaces=(had,)
    )
    work = Checkpointing(made.neutron, made.agents)
    with pytest.raises(errors.Conflict, match=problem) if problem else contextlib.nullcontext():
        assert work.whose(Path("saved"), None).id == "g2"
    assert not made.done


def test_what_cannot_be_done_on_a_guests_host_is_told_before_the_guest_stands_still(tmp_path: Path) -> None:
    made = World(guest("g2", "h2", name="web", kind="container"))
    made.checkpoint = Checkpoint(
        guest=Guest(id="g1", name="web", kind="container"),
        state=GuestState(),
        trees=(TreeWritten(number=7, highest=9, name="nginx"),),
    )
    made.processes = ProcessesSeen(unwritable="criu is not installed")
    work, seen = Checkpointing(made.neutron, made.agents), made.guests["h2", "g2"]
    with pytest.raises(errors.Conflict, match="cannot be written down: criu"):
        work.write(seen, tmp_path / "saved", lambda: None, goes_on=True)
    with pytest.raises(errors.Conflict, match=r"cannot go on from .*: criu"):
        work.restore(seen, tmp_path)
    assert not made.done


def test_virtual_machines_go_along_and_are_not_written_down(tmp_path: Path) -> None:
    seen = VmKind("host", tmp_path).processes(Guest(id="g1", kind="vm"), {})
    assert seen.unwritable
    assert not seen.problems


@pytest.mark.parametrize("name", ["link", "x" * 300])
def test_a_name_that_no_folder_can_have_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(errors.FakevmError, match="cannot write"), folder.written(tmp_path / name):
        pass
    lab = cast("LabRecord", SimpleNamespace(directory=tmp_path))
    with (
        pytest.raises(errors.FakevmError, match="cannot write"),
        checkpoints.fetched(lab, tmp_path / name) as (_, bring),
    ):
        bring()


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="this Python leaves nothing out")
def test_a_guests_files_are_its_own_again_with_any_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.14 leaves out what leads elsewhere, and who may do what, unless it is told not to."""
    monkeypatch.setattr(tarfile.TarFile, "extraction_filter", staticmethod(tarfile.data_filter))
    monkeypatch.setattr(unpacking, "_enter", lambda _: None)
    place, archive = tmp_path / "place", tmp_path / "root.tar"
    for each in (place, tmp_path / "files"):
        each.mkdir()
    (tmp_path / "files/link").symlink_to("/etc/passwd")
    (tmp_path / "files/shared").touch()
    (tmp_path / "files/shared").chmod(0o4666)
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as packed:
        packed.add(tmp_path / "files", ".")
    descriptor = os.open(archive, os.O_RDONLY)
    monkeypatch.setattr(sys, "argv", ["unpacking.py", "ns", f"{descriptor}={place}"])
    assert unpacking.main() == 0
    assert str((place / "link").readlink()) == "/etc/passwd"
    assert (place / "shared").stat().st_mode & 0o7777 == 0o4666
