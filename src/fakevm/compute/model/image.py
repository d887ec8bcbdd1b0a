"""Images: of each kind of guest that can be a server one, and those of the lab's file."""

from __future__ import annotations

import uuid

from fakevm.model.labfile import LabFile
from fakevm.model.value import Value

#: the image of guests that have the machine's own programs
MACHINE = "fakevm"
_USER = "cloud"


class Image(Value):
    """An image; ``of`` is its name in the lab's file, empty: it is not of that. ``user`` logs in to its servers."""

    id: str
    name: str
    kind: str
    of: str = ""
    user: str = _USER


def images(lab: LabFile) -> dict[str, Image]:
    """Give the images of a lab by their ids, which are made of their names and the lab's."""
    found = [_image(lab.name, MACHINE, "container")]
    found += [_image(lab.name, name, "container", name) for name in lab.images]
    return {image.id: image for image in found}


def _image(lab: str, name: str, kind: str, of: str = "") -> Image:
    return Image(id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"fakevm:{lab}:image:{name}")), name=name, kind=kind, of=of)
