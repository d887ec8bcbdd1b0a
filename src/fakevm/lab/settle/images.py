"""Root file systems that cannot be those of guests."""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.lab import images
from fakevm.model.kind import CONTAINER_KIND, VM_KIND
from fakevm.model.labfile import LabFile
from fakevm.model.remark import Remark


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find images that are no root file systems, and guests that cannot have one."""
    for name, guest in lab.guests.items():
        at = ("guests", name, "image")
        if guest.image and guest.image not in lab.images:
            known = ", ".join(lab.images) or "none"
            yield Remark(f"there is no image {guest.image!r}; there are: {known}", at, "Name it under `images`.")
        elif guest.image and guest.kind != CONTAINER_KIND:
            yield Remark(
                f"a guest of the kind {guest.kind!r} has no image: "
                + ("it is a tiny machine" if guest.kind == VM_KIND else "it has the machine's files"),
                at,
                f"Give it `kind: {CONTAINER_KIND}`.",
            )
    for name, image in lab.images.items():
        if said := images.problem(image.file):
            yield Remark(said, ("images", name))
