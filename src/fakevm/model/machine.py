"""What is said of a virtual machine beside its image and its limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from .path import FilePath
from .value import Value

_Line = Annotated[str, StringConstraints(pattern=r"^[^\n\x00]*$", max_length=2000)]
# A word that is typed at a console.
_Word = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]*$", max_length=64)]

Access = Literal["agent", "console", "none"]


class Seed(Value):
    """What cloud-init finds on a disk of its own (NoCloud): beside this, the guest's name and its network."""

    user_data: str = Field(default="", description="User data: `#cloud-config…` or a script.")
    keys: tuple[_Line, ...] = Field(default=(), description="A list of SSH public keys for the image's user.")


class MachineSettings(Value):
    """The hardware of a virtual machine, and how FakeVM gets into it."""

    disk: Literal["virtio", "scsi", "sata", "ide"] = Field(
        default="virtio", description="How its image is attached: `virtio`, `scsi` (virtio-scsi), `sata`, `ide`."
    )
    nic: Literal["virtio", "e1000", "e1000e", "rtl8139"] = Field(
        default="virtio", description="The model of its network cards."
    )
    access: Access | None = Field(
        default=None,
        description="How commands get into it: `agent` (QEMU's guest agent), `console` (a shell at its serial console, "
        "ttyS0), `none`. The tiny machine needs nothing; an image has `none` where nothing is said.",
    )
    user: _Word = Field(default="root", description="Who logs in at the console, where it asks.")
    password: _Word = Field(default="", description="The password, where it asks for one.")
    seed: Seed | None = Field(
        default=None, description="A disk for cloud-init's first boot, without Neutron's metadata: `{}`, or its data."
    )
    kernel: FilePath | None = Field(
        default=None, description="A kernel (bzImage) that is started in place of the image's boot loader, or alone."
    )
    initrd: FilePath | None = Field(default=None, description="The kernel's first root file system.")
    cmdline: _Line = Field(default="", description="The kernel's command line, behind `console=ttyS0`.")

    @model_validator(mode="after")
    def _whole(self) -> MachineSettings:
        for name in ("initrd", "cmdline"):
            if getattr(self, name) and self.kernel is None:
                raise ValueError(f"{name} is for a `kernel`: an image's own boot loader has its own")
        return self
