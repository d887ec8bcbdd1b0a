"""QEMU's command line for a virtual machine: a pure function of what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .drive import Drive, Slot
from .drive import arguments as drive_arguments
from .place import Sockets

# What a machine has where nothing is said of it (MB, processors).
MEMORY, CPUS = 80, 1
_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
# Its files: the BIOS, what loads a kernel (Debian's places).
_FIRMWARE = ("usr/share/qemu", "usr/share/seabios")
# What users call a card's model: QEMU's name.
CARDS = {"virtio": "virtio-net-pci", "e1000": "e1000", "e1000e": "e1000e", "rtl8139": "rtl8139"}


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
    kernel: Path | None
    initrd: Path | None
    cards: Sequence[Card]
    acceleration: str
    words: str = "console=ttyS0 quiet"
    drives: Sequence[Drive] = ()
    has_agent: bool = False
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
    sockets, slot = machine.sockets, Slot()
    return [
        "-name", f"guest={machine.title.replace(',', ',,')}",
        # Without a display what its BIOS and its boot loader say goes to the serial console.
        "-M", "pc" if machine.kernel else "pc,graphics=off",
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
        *drive_arguments(machine.drives, slot),
        *(_agent(sockets.agent, slot) if machine.has_agent else ()),
        *(("-kernel", str(machine.kernel), "-append", machine.words) if machine.kernel else ()),
        *(("-initrd", str(machine.initrd)) if machine.initrd else ()),
        *(word for card in machine.cards for word in _card(card)),
    ]  # fmt: skip


def _socket(name: str, path: Path, log: Path | None = None) -> list[str]:
    kept = f",logfile={str(log).replace(',', ',,')},logappend=on" if log else ""
    return ["-chardev", f"socket,id={name},path={path},server=on,wait=off{kept}"]


def _serial(name: str, path: Path, log: Path | None = None) -> list[str]:
    return [*_socket(name, path, log), "-serial", f"chardev:{name}"]


def _monitor(name: str, path: Path) -> list[str]:
    return [*_socket(name, path), "-mon", f"chardev={name},mode=control"]


def _agent(path: Path, slot: Slot) -> list[str]:
    return [
        *_socket("agent", path),
        "-device", f"virtio-serial-pci,id=agent-bus,{slot.next()}",
        "-device", "virtserialport,chardev=agent,bus=agent-bus.0,name=org.qemu.guest_agent.0",
    ]  # fmt: skip


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
