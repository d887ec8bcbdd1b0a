"""Flavors: those that a devstack has. A guest has what its machine has: they are what clients must name."""

from __future__ import annotations

from fakevm.model.value import Value


class Flavor(Value):
    """A size; memory in MiB, disk in GiB."""

    id: str
    name: str
    ram: int
    vcpus: int
    disk: int


FLAVORS = {
    flavor.id: flavor
    for flavor in (
        Flavor(id="42", name="m1.nano", ram=192, vcpus=1, disk=1),
        Flavor(id="84", name="m1.micro", ram=256, vcpus=1, disk=1),
        Flavor(id="1", name="m1.tiny", ram=512, vcpus=1, disk=1),
        Flavor(id="2", name="m1.small", ram=2048, vcpus=1, disk=20),
        Flavor(id="3", name="m1.medium", ram=4096, vcpus=2, disk=40),
    )
}
