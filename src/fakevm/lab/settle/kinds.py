"""Kinds of guests that nobody has brought, and what guests of some kinds cannot have."""

from __future__ import annotations

from collections.abc import Iterator

from fakevm.agent import plugin
from fakevm.errors import InvalidInput
from fakevm.model.kind import CONTAINER_KIND, DEFAULT_KIND, VM_KIND
from fakevm.model.labfile import GuestFile, LabFile
from fakevm.model.labfile.check import MigrateCheck
from fakevm.model.machine import MachineSettings
from fakevm.model.remark import Location, Remark
from fakevm.vm import access

# A kernel does not start in less memory (bytes).
_LEAST = 64 << 20


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find guests of kinds that are not installed, or cannot be imported, or have no limits."""
    yield from _wrong(lab.guest_kind, ("guest_kind",))
    for name, guest in lab.guests.items():
        if guest.kind != lab.guest_kind:
            yield from _wrong(guest.kind, ("guests", name, "kind"))
        yield from _wrong_limits(guest, ("guests", name, "limits"))
        yield from _wrong_machine(guest, ("guests", name))
        if guest.server and guest.kind != CONTAINER_KIND:
            yield Remark(
                f"a guest of the kind {guest.kind!r} is no server: its files are not its own, or its image boots it",
                ("guests", name, "server"),
                f"Give it `kind: {CONTAINER_KIND}`.",
            )


def tools(lab: LabFile) -> tuple[str, ...]:
    """Name the tools that a file's virtual machines need, and processes that its checks move."""
    moved = any(isinstance(check, MigrateCheck) and check.processes == "move" for check in lab.checks.values())
    criu = ("criu",) if moved else ()
    if VM_KIND not in {guest.kind for guest in lab.guests.values()}:
        return criu
    # Not at the top: all labs are settled, and few have virtual machines.
    from fakevm.vm import qemu, tiny

    return (qemu.TOOL, tiny.NAME, *criu)


def _wrong_limits(guest: GuestFile, at: Location) -> Iterator[Remark]:
    if guest.kind == VM_KIND:
        if guest.limits.cpus != int(guest.limits.cpus):
            yield Remark(f"a virtual machine has whole processors, and not {guest.limits.cpus:g}", at)
        if 0 < guest.limits.memory < _LEAST:
            yield Remark("a virtual machine needs 64M at least", at)
    elif guest.limits.named and guest.kind != CONTAINER_KIND:
        yield Remark(
            f"a guest of the kind {guest.kind!r} has no limits: its processes are its host's",
            at,
            f"Give it `kind: {CONTAINER_KIND}`.",
        )


def _wrong_machine(guest: GuestFile, at: Location) -> Iterator[Remark]:
    if guest.kind != VM_KIND:
        if guest.machine != MachineSettings():
            yield Remark(
                f"a guest of the kind {guest.kind!r} has no hardware of its own", (*at, "machine"),
                f"Give it `kind: {VM_KIND}`.",
            )  # fmt: skip
        return
    if access.is_tiny(guest.settings):
        yield from _wrong_of_tiny(guest.machine, (*at, "machine"))
    else:
        yield from _wrong_of_users(guest, at)


def _wrong_of_tiny(wanted: MachineSettings, at: Location) -> Iterator[Remark]:
    for word in ("access", "seed"):
        if getattr(wanted, word) is not None:
            yield Remark(
                "the tiny machine needs no such thing: it is for those with an `image` or a `kernel`", (*at, word)
            )
    if wanted.nic != "virtio":
        yield Remark("the tiny machine starts with a driver for virtio alone", (*at, "nic"))


def _wrong_of_users(guest: GuestFile, at: Location) -> Iterator[Remark]:
    if guest.sysctl:
        yield Remark("nothing is set in a machine with an image or a kernel of its own", (*at, "sysctl"),
                     "Set it there, or by `machine: {seed: …}`.")  # fmt: skip
    if access.of(guest.settings) == "none":
        for key in ("run", "routing"):
            if getattr(guest, key):
                yield Remark(f"{key!r} needs a way into this machine, and there is none", (*at, key),
                             "Say how: `machine: {access: console}`, or `agent`.")  # fmt: skip


def _wrong(kind: str, at: Location) -> Iterator[Remark]:
    if kind != DEFAULT_KIND:
        try:
            plugin.find(kind, plugin.GUEST_KINDS)
        except InvalidInput as problem:
            yield Remark(problem.what, at, problem.hint)
