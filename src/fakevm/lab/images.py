"""Root file systems that a lab file brings for guests: folders, or archives that are unpacked once for a lab."""

from __future__ import annotations

import contextlib
import posixpath
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from fakevm.errors import FakevmError, InvalidInput, LabFailed
from fakevm.linux import permission, process, tree
from fakevm.model.kind import VM_KIND
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.progress import Progress

# Of a lab's folder; hosts have that here.
_FOLDER, _SEEN_AS = "images", "/run/fakevm"
# Seconds that an archive may take to be unpacked.
_PATIENCE = 600.0
# ELF's e_machine (elf.h) that this machine runs, by its own; else only that.
_ALSO = {62: {3}, 183: {40}}
_NAMES = {3: "i386", 8: "mips", 20: "powerpc", 21: "powerpc64", 22: "s390x", 40: "arm", 62: "x86-64", 183: "arm64"}
_NAMES[243] = "riscv"
_MOST_LINKS = 40

# What a path of an image is: a link to this, or a file that can be opened; None: nothing.
_Look = Callable[[str], "str | Callable[[], IO[bytes]] | None"]


def problem(file: str) -> str:
    """Say why a folder or an archive cannot be a guest's root file system; empty when it can."""
    path = Path(file)
    try:
        if path.is_dir():
            return _no_shell(lambda name: _in_folder(path, name))
        with tarfile.open(path) as archive:
            members = {_plain(member.name): member for member in archive}
            wrong = next(filter(None, map(_refused, members.values())), "")
            return wrong or _no_shell(lambda name: _in_archive(archive, members, name))
    except FileNotFoundError:
        return f"there is no {file}"
    except tarfile.ReadError:
        return f"{file} is no tar archive (nor one with gzip, bzip2 or xz)"
    except (OSError, tarfile.TarError, EOFError) as exc:
        return f"{file} cannot be read: {exc}"


def _plain(name: str) -> str:
    return posixpath.normpath(name).strip("/")


def _refused(member: tarfile.TarInfo) -> str:
    """Say what is wrong with an archive's member: what it would write outside, or make of the machine's."""
    if ".." in member.name.split("/"):
        return f"it would write outside itself: {member.name!r}"
    if member.islnk() and ".." in member.linkname.split("/"):
        return f"it would link to what is outside itself: {member.name!r} to {member.linkname!r}"
    if member.ischr() or member.isblk():
        return f"it has a device, {member.name!r}: pack it without (tar --exclude='./dev/*'), guests have their own"
    return ""


def _no_shell(look: _Look) -> str:
    found = _resolved(look, "bin/sh")
    if found is None:
        return "it has no /bin/sh"
    with found() as file:
        theirs = _machine(file.read(20))
    with Path("/bin/sh").open("rb") as file:
        ours = _machine(file.read(20))
    if theirs in {ours, *_ALSO.get(ours, ())} or not theirs:
        return ""
    return f"its programs are for another machine: {_NAMES.get(theirs, theirs)}, this one is {_NAMES.get(ours, ours)}"


def _machine(head: bytes) -> int:
    """Read for which machine a program is; 0: it does not say."""
    order = "big" if head[5:6] == b"\2" else "little"
    return int.from_bytes(head[18:20], order) if head[:4] == b"\x7fELF" else 0  # type: ignore[arg-type]


def _resolved(look: _Look, name: str) -> Callable[[], IO[bytes]] | None:
    """Find a file as the guest will: links are the guest's own."""
    parts, place = name.split("/"), ""
    for _ in range(_MOST_LINKS):
        if not parts:
            return None
        here = _plain(f"{place}/{parts.pop(0)}")
        found = look(here)
        if isinstance(found, str):
            parts = [part for part in f"{found}/{'/'.join(parts)}".split("/") if part]
            place = "" if found.startswith("/") else place
        elif not parts:
            return found
        else:
            place = here
    return None


def _in_folder(root: Path, name: str) -> str | Callable[[], IO[bytes]] | None:
    path = root / name
    if path.is_symlink():
        return str(path.readlink())
    return (lambda: path.open("rb")) if path.is_file() else None


def _in_archive(
    archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo], name: str
) -> str | Callable[[], IO[bytes]] | None:
    member = members.get(name)
    if member is None:
        return None
    if member.issym():
        return member.linkname
    return (lambda: _opened(archive, member)) if member.isfile() or member.islnk() else None


def _opened(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(member)
    assert file
    return file


def used(lab: LabFile, guests: Iterable[str]) -> Iterator[str]:
    """Name the images of guests that are unpacked for them."""
    having = (lab.guests[name] for name in guests)
    yield from dict.fromkeys(guest.image for guest in having if guest.image and guest.kind != VM_KIND)


def of_guest(lab: LabFile, guest: str) -> str:
    """Say where hosts find a guest's image: a disk as it is, a root file system unpacked."""
    image = lab.guests[guest].image
    if image and lab.guests[guest].kind == VM_KIND:
        return lab.images[image].file
    return seen_as(lab, image)


def seen_as(lab: LabFile, image: str) -> str:
    """Say where hosts find an image, unpacked."""
    if not image:
        return ""
    file = lab.images[image].file
    return file if Path(file).is_dir() else f"{_SEEN_AS}/{_FOLDER}/{image}"


def unpack(record: LabRecord, lab: LabFile, guests: Iterable[str], progress: Progress) -> None:
    """Unpack the archives of guests' images that are not unpacked yet. Raises InvalidInput, LabFailed."""
    for image in used(lab, guests):
        file, place = lab.images[image].file, record.directory / _FOLDER / image
        if not Path(file).is_dir() and not place.exists():
            if wrong := problem(file):
                raise InvalidInput(f"image {image!r}: {wrong}")
            with progress.step(f"unpacking {image}"):
                _unpack(Path(file), place)


def _unpack(file: Path, place: Path) -> None:
    new = place.with_name(f"{place.name}.new")
    try:
        tree.remove(new)
        new.mkdir(parents=True)
        # GNU tar makes links at last, and writes through none.
        words = ["--extract", f"--file={file}", f"--directory={new}", "--preserve-permissions", "--numeric-owner"]
        process.run([*_as_root(), "tar", *words], timeout=_PATIENCE)
        new.rename(place)
    except (FakevmError, OSError) as exc:
        with contextlib.suppress(OSError):
            tree.remove(new)
        what = exc.what if isinstance(exc, FakevmError) else str(exc)
        raise LabFailed(f"cannot unpack {file}: {what[-300:]}") from exc


def _as_root() -> list[str]:
    """Give the words before what is to make files of many owners, where this user has subordinate ids for them."""
    if permission.needs_user_namespace() and permission.has_subordinate_ids():
        return ["unshare", *permission.become_root()]
    return []
