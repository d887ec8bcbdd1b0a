"""Root file systems of a user's own, for guests that are containers, and disks for virtual machines."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from fakevm.model.path import FilePath

from .word import WordValue


class ImageFile(WordValue):
    """A root file system, or a disk. As one word: the file."""

    word_field: ClassVar[str] = "file"

    file: FilePath = Field(
        description="A folder, or a tar archive (gzip, bzip2, xz, too) with a root file system: of OpenWrt, of `docker "
        "export`, of debootstrap. It needs `/bin/sh`, and no device files. For a virtual machine: a disk (qcow2, raw) "
        "or an ISO, from which the BIOS of a PC can start; it is never written."
    )
