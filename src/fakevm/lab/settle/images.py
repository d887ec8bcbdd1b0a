"""Images that cannot be those of guests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fakevm.errors import InvalidInput
from fakevm.lab import images
from fakevm.model.kind import CONTAINER_KIND, VM_KIND
from fakevm.model.labfile import GuestFile, LabFile
from fakevm.model.remark import Location, Remark
from fakevm.vm import image as disks
from fakevm.vm import kernel as kernels

_OF = (CONTAINER_KIND, VM_KIND)


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find images that are not what their guests need, and guests that cannot have one."""
    for name, guest in lab.guests.items():
        at = ("guests", name, "image")
        if guest.image and guest.image not in lab.images:
            known = ", ".join(lab.images) or "none"
            yield Remark(f"there is no image {guest.image!r}; there are: {known}", at, "Name it under `images`.")
        elif guest.image and guest.kind not in _OF:
            yield Remark(
                f"a guest of the kind {guest.kind!r} has no image: it has the machine's files",
                at,
                f"Give it `kind: {CONTAINER_KIND}`, or `kind: {VM_KIND}`.",
            )
        yield from _wrong_kernel(guest, ("guests", name, "machine"))
    for name in lab.images:
        if said := _problem(lab, name):
            yield Remark(said, ("images", name))


def _problem(lab: LabFile, image: str) -> str:
    """Say why an image is not what its guests need; of one that nobody has, what it is to be is not known."""
    file = lab.images[image].file
    having = [guest for guest in lab.guests.values() if guest.image == image]
    found = [images.problem(file)] if any(guest.kind != VM_KIND for guest in having) else []
    if machines := [guest for guest in having if guest.kind == VM_KIND]:
        found.append(_no_disk(file, boots=any(guest.machine.kernel is None for guest in machines)))
    if not having and (no_tree := images.problem(file)):
        found = [no_tree if _no_disk(file, boots=False) else ""]
    return next(filter(None, found), "")


def _no_disk(file: str, *, boots: bool) -> str:
    try:
        disks.seen(Path(file), boots=boots)
    except InvalidInput as problem:
        return problem.what
    return ""


def _wrong_kernel(guest: GuestFile, at: Location) -> Iterator[Remark]:
    if guest.kind != VM_KIND:
        return
    if guest.machine.kernel is not None:
        try:
            kernels.seen(Path(guest.machine.kernel))
        except InvalidInput as problem:
            yield Remark(problem.what, (*at, "kernel"))
    if guest.machine.initrd is not None and not Path(guest.machine.initrd).is_file():
        yield Remark(f"there is no file {guest.machine.initrd}", (*at, "initrd"))
