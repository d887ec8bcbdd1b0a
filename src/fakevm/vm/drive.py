"""Drives of a virtual machine, in QEMU's words: its disk over an image, an ISO, the disk of cloud-init's data.

All are in one slot of the PCI bus, a function each: the others are for network cards.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .image import Format

# The first free slot.
_SLOT = 2


class Drive(NamedTuple):
    """A drive; ``image`` is the number of an open file, or a folder that is seen as a disk with this label.

    ``overlay`` has what is written; without one nothing can be.
    """

    name: str
    bus: str
    image: int | Path
    format: Format = "raw"
    overlay: Path | None = None
    boots: bool = False


class Slot:
    """Gives devices their places in the slot, one function after the other."""

    def __init__(self) -> None:
        self._given = 0

    def next(self) -> str:
        """Give the next place, as words of a device."""
        place = f"addr={_SLOT:#x}.{self._given}{'' if self._given else ',multifunction=on'}"
        self._given += 1
        return place


def arguments(drives: Sequence[Drive], slot: Slot) -> list[str]:
    """Write QEMU's arguments for drives, each on a bus of its own or the machine's."""
    return [word for number, drive in enumerate(drives) for word in (*_nodes(drive), *_device(drive, number, slot))]


def _nodes(drive: Drive) -> Iterator[str]:
    """Say what is in it. No file that the image names is opened: ``backing`` is none, whatever its header says."""
    name = drive.name
    if isinstance(drive.image, Path):
        yield from _node(name, driver="vvfat", dir=str(drive.image), label=name.upper(), **{"read-only": True})
        return
    yield from ("-add-fd", f"fd={drive.image},set={drive.image}")
    read_only = {"read-only": True, "auto-read-only": False}
    yield from _node(f"{name}-image-file", driver="file", filename=f"/dev/fdset/{drive.image}", **read_only)
    base = f"{name}-image" if drive.overlay else name
    form = {"driver": "qcow2", "backing": None} if drive.format == "qcow2" else {"driver": "raw"}
    yield from _node(base, file=f"{name}-image-file", **form, **read_only)
    if drive.overlay:
        yield from _node(f"{name}-file", driver="file", filename=str(drive.overlay), discard="unmap")
        yield from _node(name, driver="qcow2", file=f"{name}-file", backing=base, discard="unmap")


def _node(name: str, **words: object) -> tuple[str, str]:
    return "-blockdev", json.dumps({"node-name": name, **words})


def _device(drive: Drive, number: int, slot: Slot) -> Iterator[str]:
    name, kind = drive.name, "cd" if drive.format == "iso" else "hd"
    boots = ",bootindex=0" if drive.boots else ""
    if drive.bus == "virtio" and kind == "hd":
        yield from ("-device", f"virtio-blk-pci,drive={name},id={name}-disk,{slot.next()}{boots}")
    elif isinstance(drive.image, Path) and drive.bus != "scsi":
        # IDE's disks can all be written.
        yield from ("-device", f"usb-ehci,id={name}-bus,{slot.next()}")
        yield from ("-device", f"usb-storage,drive={name},id={name}-disk,bus={name}-bus.0")
    elif drive.bus == "scsi":
        yield from ("-device", f"virtio-scsi-pci,id={name}-bus,{slot.next()}")
        yield from ("-device", f"scsi-{kind},drive={name},id={name}-disk,bus={name}-bus.0{boots}")
    elif drive.bus == "sata":
        yield from ("-device", f"ich9-ahci,id={name}-bus,{slot.next()}")
        yield from ("-device", f"ide-{kind},drive={name},id={name}-disk,bus={name}-bus.0{boots}")
    else:
        # The machine's own: a virtio disk can be no CD.
        yield from ("-device", f"ide-{kind},drive={name},id={name}-disk,bus=ide.{number}{boots}")
