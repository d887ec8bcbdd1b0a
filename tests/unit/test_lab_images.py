"""Root file systems that a lab file brings: what is refused of them, before anything is made."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from fakevm.errors import FakevmError
from fakevm.lab import images
from fakevm.lab.reading import parse
from fakevm.lab.settle.settling import settle

OURS = Path("/bin/sh").read_bytes()[:64]
# e_machine (elf.h): 243 is RISC-V, on which nobody tests this.
OTHERS = OURS[:18] + (243).to_bytes(2, "little") + OURS[20:]


def archive(path: Path, *members: tuple[str, bytes | str | int]) -> str:
    """Make an archive of files (bytes), links (text) and devices (their numbers)."""
    with tarfile.open(path, "w:gz") as made:
        for name, what in members:
            member = tarfile.TarInfo(name)
            if isinstance(what, str):
                member.type, member.linkname = tarfile.SYMTYPE, what
            elif isinstance(what, int):
                member.type, member.devmajor = tarfile.CHRTYPE, what
            else:
                member.size = len(what)
            made.addfile(member, io.BytesIO(what) if isinstance(what, bytes) else None)
    return str(path)


SHELL = (("./bin", "usr/bin"), ("./usr/bin/sh", "/usr/bin/dash"), ("./usr/bin/dash", OURS))


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (SHELL, ""),
        ((("bin/sh", OURS),), ""),
        ((("bin/sh", b"#!"),), ""),
        ((("etc/passwd", b""),), "it has no /bin/sh"),
        ((("bin/sh", "sh"),), "it has no /bin/sh"),
        ((("bin/sh", "../../../bin/sh"),), "it has no /bin/sh"),
        ((("bin/sh", OTHERS),), "its programs are for another machine: riscv"),
        ((*SHELL, ("dev/sda", 8)), "it has a device, 'dev/sda': pack it without"),
        ((*SHELL, ("../etc/passwd", b"")), "it would write outside itself"),
        ((*SHELL, ("a/../../etc/passwd", b"")), "it would write outside itself"),
    ],
)
def test_an_archive_is_looked_at_before_it_is_unpacked(tmp_path: Path, members: tuple, said: str) -> None:  # type: ignore[type-arg]
    found = images.problem(archive(tmp_path / "root.tar.gz", *members))
    assert found.startswith(said) if said else not found


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    assert images.problem(str(tmp_path / "missing.tar")).startswith("there is no ")
    (tmp_path / "text.tar").write_text("no archive" * 100)
    assert "is no tar archive" in images.problem(str(tmp_path / "text.tar"))
    whole = Path(archive(tmp_path / "cut.tar.gz", ("bin/sh", OURS * 1000)))
    whole.write_bytes(whole.read_bytes()[:100])
    assert "cannot be read" in images.problem(str(whole))


def test_a_folder_is_one_too(tmp_path: Path) -> None:
    assert images.problem(str(tmp_path)) == "it has no /bin/sh"
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "bin").symlink_to("/usr/bin")
    (tmp_path / "usr/bin/sh").write_bytes(OURS)
    assert not images.problem(str(tmp_path))


@pytest.mark.parametrize(
    ("guest", "said"),
    [
        ("kind: container, image: other", "guests.r1.image: there is no image 'other'; there are: own"),
        ("image: own", "a guest of the kind 'namespace' has no image"),
        ("kind: container, image: own", "images.own: there is no /nowhere"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(guest: str, said: str) -> None:
    lab = parse(f"hosts: {{host1: {{}}}}\nimages: {{own: /nowhere}}\nguests: {{r1: {{{guest}}}}}\n", "lab.yaml")
    with pytest.raises(FakevmError, match=said):
        settle(lab, kernel_datapath=False)
