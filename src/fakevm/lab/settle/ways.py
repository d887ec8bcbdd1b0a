"""Ways by ssh from guest to guest that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.model.labfile import LabFile
from fakevm.model.remark import Remark


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find guests that are reached by way of themselves."""
    jumps = {name: guest.ssh.jump for name, guest in lab.guests.items() if guest.ssh}
    for name in jumps:
        way = [name]
        while (following := jumps.get(way[-1])) and following not in way:
            way.append(following)
        if following == name:
            yield Remark(
                f"ssh would go in a circle: {' → '.join((*way, name))}", ("guests", name, "ssh", "jump"),
                "One of them needs no `ssh`: FakeVM reaches every guest by itself.",
            )  # fmt: skip
