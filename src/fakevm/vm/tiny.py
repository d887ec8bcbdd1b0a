"""The virtual machine that needs no image: Debian's cloud kernel, and a root file system of busybox in memory.

Its archive is made once for a host, of the tool ``tiny-vm``; what is a machine's own comes behind it, in a second one.
"""

from __future__ import annotations

import hashlib
import lzma
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fakevm import errors, tool

from . import archive

if TYPE_CHECKING:
    from fakevm.model.guest import Guest
    from fakevm.model.interface import Interface

NAME = "tiny-vm"
_FILES = Path(__file__).parent / "rootfs"
_KERNEL = "vmlinuz-*-cloud-amd64"
# Those that it may want later are there, too: VLANs, bridges, captures.
_MODULES = ("virtio_pci", "virtio_net", "e1000", "8021q", "bridge", "button", "evdev", "af_packet", "virtio_blk")
# What is loaded at its start, in this order; those that this kernel has built in are not among its files.
_LOADED = ("virtio_pci", "virtio_net", "button", "evdev")
_EMPTY = ("bin", "sbin", "etc", "etc/acpi", "etc/acpi/PWRF", "etc/fakevm", "dev",
          "proc", "sys", "run", "root", "tmp", "usr", "usr/bin", "usr/sbin",
          "var", "var/log", "lib", "lib/modules", "mnt")  # fmt: skip
_SCRIPTS = {"init": "init", "rcS": "etc/rcS", "udhcpc.sh": "etc/udhcpc.sh", "interface": "sbin/fakevm-interface",
            "shell": "sbin/fakevm-shell", "power": "etc/acpi/PWRF/00000080"}  # fmt: skip


class Tiny(NamedTuple):
    """Its kernel, and the archive of its files."""

    kernel: Path
    archive: Path


def made(folder: Path) -> Tiny:
    """Give the kernel and the archive, which is made in a folder unless it is there.

    Raises Prerequisite: the tool is not installed, or lacks something; OSError.
    """
    found = tool.find(NAME)
    kernel = _kernel(found.root)
    busybox = found.path("busybox")
    place = folder / f"tiny-{_sum(kernel, busybox)}.cpio"
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        new = place.with_suffix(".new")
        new.write_bytes(archive.packed(_entries(busybox, _modules(kernel))))
        new.replace(place)
    return Tiny(kernel, place)


def own(guest: Guest, interfaces: Sequence[Interface]) -> bytes:
    """Pack what is a machine's own: its name, its interfaces, its kernel's settings."""
    hosts = f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {guest.hostname}\n" if guest.hostname else ""
    return archive.packed([
        archive.file("etc/hostname", f"{guest.hostname or 'vm'}\n"),
        *([archive.file("etc/hosts", hosts)] if hosts else []),
        archive.file("etc/fakevm/interfaces", "".join(f"{line(one)}\n" for one in interfaces)),
        archive.file("etc/fakevm/sysctl", "".join(f"{k}={v}\n" for k, v in guest.settings.sysctl.items())),
    ])  # fmt: skip


def line(interface: Interface) -> str:
    """Say of an interface what the machine needs to know: see its program fakevm-interface."""
    way = "dhcp" if interface.port and interface.port.fixed_ips else "static"
    later = "2048" if interface.index else "0"
    return " ".join([interface.mac_address, interface.name, str(interface.mtu), way, later, *interface.addresses])


def _kernel(root: Path) -> Path:
    # A Debian that runs this kernel itself has it, and the package is not fetched.
    for place in (root / "boot", Path("/boot")):
        if found := sorted(place.glob(_KERNEL)):
            return found[-1]
    raise errors.Prerequisite(
        f"the tool {NAME} has no kernel", hint=f"Run: fakevm tool remove {NAME}; fakevm tool install {NAME}"
    )


def _sum(*files: Path) -> str:
    """Tell one making from another: by the files that it is made of."""
    known = hashlib.sha256()
    for path in (*files, *sorted(_FILES.iterdir()), Path(__file__)):
        seen = path.stat()
        known.update(f"{path} {seen.st_size} {seen.st_mtime_ns}\n".encode())
    return known.hexdigest()[:16]


def _modules(kernel: Path) -> list[Path]:
    """List the kernel's modules that are wanted, each behind those that it needs."""
    version = kernel.name.removeprefix("vmlinuz-")
    root = kernel.parent.parent
    places = (root / "lib/modules" / version, root / "usr/lib/modules" / version)
    folder = next((at for at in places if at.is_dir()), None)
    if folder is None:
        raise errors.Prerequisite(f"the kernel {kernel} has no modules beside it")
    known = {_name(path): path for path in folder.rglob("*.ko*")}
    ordered: dict[str, Path] = {}

    def add(name: str) -> None:
        if name in known and name not in ordered:
            for other in _needs(known[name]):
                add(other)
            ordered[name] = known[name]

    for name in _MODULES:
        add(name)
    return list(ordered.values())


def _name(path: Path) -> str:
    return path.name.partition(".ko")[0].replace("-", "_")


def _plain(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _needs(module: Path) -> list[str]:
    """Read which others a module needs: modinfo's 'depends', which is in the module."""
    found = re.search(rb"\0depends=([\w,-]+)\0", _plain(module))
    return found[1].decode().replace("-", "_").split(",") if found else []


def _entries(busybox: Path, modules: Sequence[Path]) -> Iterable[archive.Entry]:
    yield from (archive.folder(name, 0o1777 if name == "tmp" else 0o755) for name in _EMPTY)
    yield archive.character_device("dev/console", 5, 1)
    yield archive.character_device("dev/null", 1, 3)
    yield archive.file("bin/busybox", busybox.read_bytes(), 0o755)
    scripts = {place: (_FILES / name).read_text() for name, place in _SCRIPTS.items()}
    for applet in _applets(busybox):
        if not {applet, f"bin/{Path(applet).name}"} & {*scripts, "bin/busybox"}:
            yield archive.link(applet, "/bin/busybox")
    for place, text in scripts.items():
        yield archive.file(place, text, 0o755)
    yield archive.file("etc/inittab", (_FILES / "inittab").read_text())
    yield archive.file("etc/passwd", "root::0:0:root:/root:/bin/sh\n")
    yield archive.file("etc/group", "root:x:0:\n")
    yield archive.file("etc/resolv.conf", "")
    for module in modules:
        yield archive.file(f"lib/modules/{_name(module)}.ko", _plain(module))
    yield archive.file("etc/fakevm/modules", "".join(f"{_name(module)}\n" for module in modules))
    yield archive.file("etc/fakevm/loaded", "".join(f"{name}\n" for name in _closure(modules)))


def _closure(modules: Sequence[Path]) -> list[str]:
    """List what is loaded at the start, with all that it needs, in the order of the files."""
    needed, known = set(_LOADED), {_name(module): module for module in modules}
    for name in reversed(known):
        if name in needed:
            needed.update(_needs(known[name]))
    return [name for name in known if name in needed]


def _applets(busybox: Path) -> list[str]:
    """Ask busybox which programs it is, with their folders."""
    try:
        done = subprocess.run([busybox, "--list-full"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as exc:
        raise errors.Prerequisite(f"{busybox} cannot be run: {exc}") from exc
    return done.stdout.split()
