"""The default kind of guest: a network namespace, with a device in it for each interface, mostly one end of a veth."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fakevm import errors, names
from fakevm.linux import link, process
from fakevm.linux import namespace as netns

from .base import Kind, Wired
from .device import Devices
from .place import ETC, command_in_guest, runtime_directory, write_files
from .sleep import silent_steps

if TYPE_CHECKING:
    from fakevm.model.guest import Guest, GuestState
    from fakevm.model.interface import Interface
    from fakevm.model.port import Addressing

# How long the kernel may take to remove a namespace that nobody uses any more.
_REMOVAL = 5.0


class NamespaceKind(Kind):
    """Guests of this host that are network namespaces."""

    nics = ("veth", "plain")

    def __init__(self, host: str, folder: Path) -> None:
        super().__init__(host, folder)
        self._devices = Devices()

    def make(self, guest: Guest, wired: Sequence[Wired], *, asleep: bool = False) -> None:
        """See Kind."""
        if netns.exists(guest.namespace) or any(_there(each) for each in wired):
            self.remove(guest, [each.interface for each in wired])
        with as_plug_failed(f"cannot make the guest {guest.title}"):
            write_files(guest, [each.interface for each in wired])
            steps = [step for each in wired for step in _steps(guest, each, asleep)]
            if guest.settings.sysctl:
                link.batch([self._begin(guest)])
                netns.inside(guest.namespace, functools.partial(_set, guest.settings.sysctl))
            else:
                steps.insert(0, self._begin(guest))
            link.batch(steps)
            if not wired:
                link.batch(["link set lo up"], namespace=guest.namespace)
            for each in wired:
                self._bring_up(guest, each, asleep)

    def _begin(self, guest: Guest) -> str:
        """Make what a guest is beside its network; gives the ``ip`` command that makes its network namespace."""
        return f"netns add {guest.namespace}"

    def attach(self, guest: Guest, wired: Wired, *, asleep: bool = False) -> None:
        """See Kind."""
        if _there(wired) or not self.device_problem(guest, wired.interface):
            self.detach(guest, wired.interface)
        with as_plug_failed(f"cannot give the guest {guest.title} the interface of {wired.interface.words}"):
            runtime_directory(guest.namespace, wired.interface.name).mkdir(parents=True, exist_ok=True)
            link.batch(list(_steps(guest, wired, asleep)))
            self._bring_up(guest, wired, asleep)

    def _bring_up(self, guest: Guest, wired: Wired, asleep: bool) -> None:
        interface, uplink = wired
        link.up_inside(interface.name, namespace=guest.namespace)
        if uplink.itself:
            # Of a tap the kernel says neither UP nor DOWN, of a VM's it says UP.
            link.batch([f"link set dev {interface.name} state up"], namespace=guest.namespace)
        elif not uplink.namespace:
            link.quiet_up(uplink.device)
        if asleep:
            self._devices.expect(guest, interface)
        elif interface.addresses:
            set_addresses(guest, interface)

    def tag(self, guest: Guest, interface: Interface) -> str:
        """See Kind."""
        from . import vlan

        if interface.port is None:
            return ""
        with as_plug_failed(f"cannot make the VLAN devices of {interface.words}"):
            return vlan.give(guest.namespace, interface.name, interface.port.vlans)

    def detach(self, guest: Guest, interface: Interface) -> None:
        """See Kind."""
        with as_plug_failed(f"cannot remove the device of {interface.words}"):
            self._devices.forget(guest, interface, stop_clients=True)
            _delete_device(guest, interface)
            shutil.rmtree(runtime_directory(guest.namespace, interface.name), ignore_errors=True)

    def remove(self, guest: Guest, interfaces: Sequence[Interface]) -> None:
        """See Kind."""
        with as_plug_failed(f"cannot remove the guest {guest.title}"):
            for interface in interfaces:
                self._devices.forget(guest, interface)
            inside = netns.identities([guest.namespace])
            self._end(guest, inside)
            netns.remove(guest.namespace)
            # Those that came in while others ended: a DHCP client's successor, a command of the user's.
            process.stop(netns.processes(inside))
            ends = [end for interface in interfaces for end in _host_ends(interface)]
            if left := link.wait_gone(ends, timeout=_REMOVAL):
                link.batch([f"link del {device}" for device in left], force=True)
            shutil.rmtree(ETC / guest.namespace, ignore_errors=True)
            shutil.rmtree(runtime_directory(guest.namespace), ignore_errors=True)

    def _end(self, guest: Guest, inside: Collection[netns.Identity]) -> None:
        """End what runs in a guest; ``inside`` is what the kernel knows its network namespace by."""
        process.stop(netns.processes(inside))

    def problem(self, guest: Guest) -> str:
        """See Kind."""
        return "" if netns.exists(guest.namespace) else f"there is no namespace {guest.namespace}"

    def device_problem(self, guest: Guest, interface: Interface) -> str:
        """See Kind. Of a port's device the other end, in the host, tells: they come and go together."""
        if ends := _host_ends(interface):
            there = any(link.exists(end) for end in ends)
        else:
            there = link.is_inside(interface.name, namespace=guest.namespace)
        return "" if there else f"the namespace has no device {interface.name}"

    def addresses(self, guest: Guest) -> dict[str, list[str]]:
        """See Kind."""
        try:
            return link.all_addresses(namespace=guest.namespace)
        except errors.CommandFailed:
            return {}

    def address(self, guest: Guest, interface: Interface, mode: Addressing, timeout: float) -> None:
        """See Kind."""
        from .address import assign

        assign(self._devices.addressed(guest, interface), mode, timeout)

    def state(self, guest: Guest, interfaces: Sequence[Interface]) -> GuestState:
        """See Kind."""
        from fakevm.model.guest import GuestState

        with as_plug_failed(f"cannot read the state of the guest {guest.title}"):
            return GuestState(
                interfaces={interface.name: self._devices.state(guest, interface) for interface in interfaces},
                resolv_conf=(ETC / guest.namespace / "resolv.conf").read_text(),
            )

    def silence(self, guest: Guest, interfaces: Sequence[Interface]) -> None:
        """See Kind."""
        with as_plug_failed(f"cannot silence the guest {guest.title}"):
            for interface in interfaces:
                self._devices.silence(guest, interface)

    def prime(self, guest: Guest, interfaces: Sequence[Interface], state: GuestState) -> None:
        """See Kind."""
        with as_plug_failed(f"cannot prepare the guest {guest.title}"):
            for interface in interfaces:
                self._devices.prime(guest, interface, state.of(interface.name))

    def wake(self, guest: Guest, interfaces: Sequence[Interface], state: GuestState, *, moved: bool) -> None:
        """See Kind."""
        with as_plug_failed(f"cannot wake the guest {guest.title}"):
            (ETC / guest.namespace / "resolv.conf").write_text(state.resolv_conf)
            try:
                for interface in interfaces:
                    self._devices.wake(guest, interface, state.of(interface.name), moved=moved)
            except BaseException:
                # However far it came: none of it may speak.
                for interface in interfaces:
                    self._devices.silence(guest, interface)
                raise

    def command(self, guest: Guest, interfaces: Sequence[Interface], command: Sequence[str]) -> list[str]:
        """See Kind."""
        return command_in_guest(guest.namespace, interfaces[0].name if interfaces else "", command)


def _set(sysctl: Mapping[str, str]) -> None:
    """Make settings of the kernel's, of the network that this thread is in. Raises OSError."""
    for name, value in sysctl.items():
        # As sysctl(8) reads it: a dot separates, a slash stands for a dot in the name of a device.
        path = "/proc/sys/" + name.translate({ord("."): "/", ord("/"): "."})
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(file, value.encode())
        except OSError as exc:
            # It does not say which: a guest may have many.
            raise OSError(exc.errno, f"{exc.strerror} ({value})", path) from exc
        finally:
            os.close(file)


def _steps(guest: Guest, wired: Wired, asleep: bool) -> Iterator[str]:
    interface, uplink = wired
    if uplink.itself:
        # The switch wants it promiscuous only where it is in the host's own stack, as its bridges are.
        yield (
            f"link set dev {uplink.device} promisc off netns {guest.namespace}"
            f" name {interface.name} address {interface.mac_address} mtu {interface.mtu}"
        )
    else:
        yield _pair(guest, wired)
    if asleep:
        yield from silent_steps(guest.namespace, interface.name)


def _pair(guest: Guest, wired: Wired) -> str:
    interface, uplink = wired
    master = f" master {uplink.bridge}" if uplink.bridge else ""
    place = f" netns {uplink.namespace}" if uplink.namespace else ""
    return (
        f"link add name {uplink.device} mtu {interface.mtu}{master}{place} type veth"
        f" peer name {interface.name} address {interface.mac_address} mtu {interface.mtu} netns {guest.namespace}"
    )


def set_addresses(guest: Guest, interface: Interface) -> None:
    """Set the addresses that an interface has of its own. Raises CommandFailed."""
    steps = [f"address replace {address} dev {interface.name}" for address in interface.addresses]
    link.batch([f"{step} nodad" if ":" in step else step for step in steps], namespace=guest.namespace)


def _delete_device(guest: Guest, interface: Interface) -> None:
    if netns.exists(guest.namespace) and link.is_inside(interface.name, namespace=guest.namespace):
        try:
            link.batch([f"link del {interface.name}"], namespace=guest.namespace)
        except errors.CommandFailed:
            # A plain one goes with the switch's port; one that is the kernel's, of its module, goes with that alone.
            if interface.nic != "plain":
                raise
    if ends := [end for end in _host_ends(interface) if link.exists(end)]:
        link.batch([f"link del {end}" for end in ends], force=True)


def _there(wired: Wired) -> bool:
    uplink = wired.uplink
    return not (uplink.namespace or uplink.itself) and link.exists(uplink.device)


def _host_ends(interface: Interface) -> tuple[str, ...]:
    """Name what the other end of a port's device may be called, in the host: of a veth on a port."""
    port = interface.port
    return (names.device_peer(port.id), names.tap(port.id)) if port and not port.is_plain else ()


@contextlib.contextmanager
def as_plug_failed(doing: str) -> Iterator[None]:
    """Say what was being done when the kernel, or a program, failed."""
    try:
        yield
    except OSError as exc:
        raise errors.PlugFailed(f"{doing}: {exc}") from exc
    except (errors.CommandFailed, errors.TimedOut, errors.Unreachable) as exc:
        raise errors.PlugFailed(f"{doing}: {exc.what}", hint=exc.hint) from exc
