"""QEMU's command line for a virtual machine: a pure function of what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .place import Sockets

# What a machine has where nothing is said of it (MB, processors).
MEMORY, CPUS = 80, 1
_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
# Its files: the BIOS, what loads a kernel (Debian's places).
_FIRMWARE = ("usr/share/qemu", "usr/share/seabios")


class Card(NamedTuple):
    """A network card: its name in QEMU, its address, the number of its tap's open file, its slot on the PCI bus."""

    name: str
    mac_address: str
    descriptor: int
    slot: int
    model: str = "virtio-net-pci"

    @property
    def device(self) -> dict[str, object]:
        """Say it in QEMU's words; without a ROM to boot from."""
        return {
            "driver": self.model,
            "id": self.name,
            "netdev": f"{self.name}-net",
            "mac": self.mac_address,
            "addr": f"{self.slot:#x}",
            "romfile": "",
        }


class Machine(NamedTuple):
    """A virtual machine: what it is given, and where it is spoken to; asleep, it waits for the memory of another."""

    title: str
    sockets: Sockets
    log: Path
    kernel: Path
    initrd: Path
    cards: Sequence[Card]
    acceleration: str
    words: str = ""
    asleep: bool = False
    memory: int = MEMORY
    cpus: int = CPUS


def firmware(root: Path) -> list[str]:
    """Say where QEMU, unpacked in a folder, has its own files; its modules are found by ``environment``."""
    if root == Path("/"):
        return []
    return [word for folder in _FIRMWARE for word in ("-L", str(root / folder))]


def modules(root: Path) -> Path | None:
    """Name the folder of QEMU's modules, where it is not the machine's own."""
    return None if root == Path("/") else next(root.glob("usr/lib/*-linux-gnu/qemu"), None)


def arguments(machine: Machine) -> list[str]:
    """Write QEMU's arguments."""
    sockets = machine.sockets
    return [
        "-name", f"guest={machine.title.replace(',', ',,')}",
        "-M", "pc",
        *("-accel", machine.acceleration),
        *(("-cpu", "host") if machine.acceleration == "kvm" else ()),
        "-m", str(machine.memory),
        "-smp", str(machine.cpus),
        "-nodefaults", "-no-user-config", "-display", "none",
        "-sandbox", _SANDBOX,
        *(["-S", "-incoming", "defer"] if machine.asleep else []),
        *_serial("console", sockets.console, log=machine.log),
        *_serial("shell", sockets.shell),
        *_monitor("qmp", sockets.monitor),
        *_monitor("monitor", sockets.users_monitor),
        "-kernel", str(machine.kernel),
        "-initrd", str(machine.initrd),
        "-append", f"console=ttyS0 quiet {machine.words}".strip(),
        *(word for card in machine.cards for word in _card(card)),
    ]  # fmt: skip


def _socket(name: str, path: Path, log: Path | None = None) -> list[str]:
    kept = f",logfile={str(log).replace(',', ',,')},logappend=on" if log else ""
    return ["-chardev", f"socket,id={name},path={path},server=on,wait=off{kept}"]


def _serial(name: str, path: Path, log: Path | None = None) -> list[str]:
    return [*_socket(name, path, log), "-serial", f"chardev:{name}"]


def _monitor(name: str, path: Path) -> list[str]:
    return [*_socket(name, path), "-mon", f"chardev={name},mode=control"]


def _card(card: Card) -> list[str]:
    words = ",".join(f"{name}={value}" for name, value in card.device.items() if name != "driver")
    return [
        "-netdev", f"tap,id={card.name}-net,fd={card.descriptor}",
        "-device", f"{card.model},{words}",
    ]  # fmt: skip


def trial(acceleration: str, kernel: Path, initrd: Path, log: Path) -> list[str]:
    """Write QEMU's arguments for a machine that only starts, and says so in a file."""
    return [
        "-M", "pc", "-accel", acceleration, "-cpu", "host", "-m", str(MEMORY), "-nodefaults", "-no-user-config",
        "-display", "none", "-serial", f"file:{log}", "-kernel", str(kernel), "-initrd", str(initrd),
        "-append", "console=ttyS0 quiet",
    ]  # fmt: skip
