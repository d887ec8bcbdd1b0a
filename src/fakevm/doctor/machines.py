"""How fast virtual machines are here."""

from __future__ import annotations

from fakevm.vm import acceleration

from .finding import Finding, Status


def check() -> list[Finding]:
    """Look whether they are KVM's, or emulated."""
    said = acceleration.problem()
    return [
        Finding(
            kind="kernel",
            name="KVM",
            status=Status.LIMITED if said else Status.OK,
            detail=said or "there; the first virtual machine tries it",
            without_it="fast virtual machines: QEMU emulates them, and they boot in seconds all the same",
            remedy="nested virtualization here, and /dev/kvm open to QEMU's user, or to everybody (chmod 0666)",
        )
    ]
