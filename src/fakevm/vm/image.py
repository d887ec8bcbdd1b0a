"""Images of disks that a user brings: what they are, as their first bytes tell, and what keeps one from being used.

They are looked at and never written; QEMU is told which format one has, and does not guess (docs/interop/qcow2.txt).
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from fakevm.errors import InvalidInput

Format = Literal["qcow2", "raw", "iso"]

_SECTOR = 512
_QCOW2, _ISO, _ISO_AT = b"QFI\xfb", b"CD001", 0x8001
# What is none, by its first bytes.
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
_FOREIGN = {b"KDMV": "VMDK", b"vhdxfile": "VHDX", b"conectix": "VHD", b"\x7fELF": "", b"QED\0": "QED"}
# qcow2's "incompatible features": data in another file; two words for each cluster.
_DATA_FILE, _LONG_ENTRIES = 1 << 2, 1 << 4
_OFFSET, _COMPRESSED, _ZERO = 0x00FFFFFFFFFFFE00, 1 << 62, 1
# How large its clusters may be, as a power of two (block/qcow2.h: MIN_CLUSTER_BITS, MAX_CLUSTER_BITS).
_CLUSTERS = range(9, 22)
# The byte of a file that QEMU locks while it may write it (block/file-posix.c: RAW_LOCK_PERM_BASE, BLK_PERM_WRITE).
_WRITTEN = 101


class Image(NamedTuple):
    """An image, and how large the disk in it is (bytes)."""

    file: Path
    format: Format
    size: int


def seen(file: Path, *, boots: bool = True) -> Image:
    """Look at an image.

    :param boots: it is to begin by itself, without a kernel beside it
    :raises InvalidInput: it cannot be used
    """
    try:
        if file.is_dir():
            raise InvalidInput(f"{file} is a folder: a virtual machine's image is a disk (qcow2, raw) or an ISO")
        with file.open("rb") as opened:
            found = _of(file, opened)
            _require_free(file, opened)
            if boots:
                _require_loader(found, opened)
            return found
    except FileNotFoundError as exc:
        raise InvalidInput(f"there is no {file}") from exc
    except OSError as exc:
        raise InvalidInput(f"{file} cannot be read: {exc.strerror or exc}") from exc
    except (struct.error, zlib.error, ValueError) as exc:
        raise InvalidInput(f"{file} is damaged: its tables lead nowhere") from exc


def _of(file: Path, opened: BinaryIO) -> Image:
    head = opened.read(_SECTOR)
    size = opened.seek(0, os.SEEK_END)
    for mark, name in _PACKED.items():
        if head.startswith(mark):
            raise InvalidInput(f"{file} is packed ({name}): unpack it first")
    for mark, name in _FOREIGN.items():
        if head.startswith(mark):
            how = f"a {name} image: convert it, qemu-img convert -O qcow2" if name else "a program, and no disk"
            raise InvalidInput(f"{file} is {how}")
    if head.startswith(_QCOW2):
        return Image(file, "qcow2", _size_of_qcow2(file, head))
    if size < _SECTOR:
        raise InvalidInput(f"{file} is no image: it has {size} bytes")
    opened.seek(_ISO_AT)
    return Image(file, "iso" if opened.read(len(_ISO)) == _ISO else "raw", -(-size // _SECTOR) * _SECTOR)


def _size_of_qcow2(file: Path, head: bytes) -> int:
    """Read how large its disk is. Raises InvalidInput: it has parts elsewhere, which QEMU would open."""
    version, backing, encrypted = *struct.unpack_from(">IQ", head, 4), struct.unpack_from(">I", head, 32)[0]
    features = struct.unpack_from(">Q", head, 72)[0] if version >= 3 else 0
    if struct.unpack_from(">I", head, 20)[0] not in _CLUSTERS:
        raise InvalidInput(f"{file} is damaged: a qcow2 image has clusters of 512 bytes to 2 MB")
    if backing:
        raise InvalidInput(
            f"{file} holds only what differs from another image, a file outside: join them, qemu-img convert -O qcow2"
        )
    if features & _DATA_FILE:
        raise InvalidInput(f"{file} has its data in a file outside: join them, qemu-img convert -O qcow2")
    if encrypted:
        raise InvalidInput(f"{file} is encrypted")
    return int(struct.unpack_from(">Q", head, 24)[0])


def _require_free(file: Path, opened: BinaryIO) -> None:
    """Refuse a file that another QEMU may write."""
    asked = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, _WRITTEN, 1, 0)
    try:
        found = struct.unpack("hhqqi", fcntl.fcntl(opened, fcntl.F_OFD_GETLK, asked))
    except OSError:  # a file system without locks
        return
    if found[0] != fcntl.F_UNLCK:
        raise InvalidInput(f"{file} is in use: another QEMU may write it")


def _require_loader(image: Image, opened: BinaryIO) -> None:
    """Refuse a disk from which the BIOS of a PC can start nothing; what cannot be read by us is not looked at."""
    if image.format == "iso":
        return
    sector = _first_of_qcow2(opened) if image.format == "qcow2" else _at(opened, 0, _SECTOR)
    if sector is not None and (sector[510:512] != b"\x55\xaa" or not any(sector[:440])):
        raise InvalidInput(
            f"{image.file} has no boot loader for the BIOS of an x86 machine: it may be for another architecture, or "
            "start by UEFI alone. One without a loader needs `kernel`"
        )


def _first_of_qcow2(opened: BinaryIO) -> bytes | None:
    head = _at(opened, 0, _SECTOR)
    (bits,) = struct.unpack_from(">I", head, 20)
    (table,) = struct.unpack_from(">Q", head, 40)
    features = struct.unpack_from(">Q", head, 72)[0] if head[7] >= 3 else 0
    if features & _LONG_ENTRIES:
        return None
    second = struct.unpack(">Q", _at(opened, table, 8))[0] & _OFFSET
    (entry,) = struct.unpack(">Q", _at(opened, second, 8)) if second else (0,)
    if entry & _COMPRESSED:
        if features and head[104]:  # by zstd
            return None
        place = entry & ((1 << (62 - (bits - 8))) - 1)
        return zlib.decompressobj(-12).decompress(_at(opened, place, 1 << bits), _SECTOR)
    if entry & _ZERO or not entry & _OFFSET:
        return bytes(_SECTOR)
    return _at(opened, entry & _OFFSET, _SECTOR)


def _at(opened: BinaryIO, place: int, many: int) -> bytes:
    opened.seek(place)
    return opened.read(many)
