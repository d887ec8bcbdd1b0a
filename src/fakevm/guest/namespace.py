"""The default guest: a network namespace with one veth end in it.

The command line imports this module for ``command_in_guest``: nothing heavy may be imported here.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fakevm import errors, names
from fakevm.linux import link, process
from fakevm.linux import namespace as netns
from fakevm.linux.kernel import SEARCH_PATH

from .base import Guest, Uplink
from .sleep import QUIETED, Waker, Wakers, silence, silent_steps, waker_command

if TYPE_CHECKING:
    from fakevm.model.guest import GuestState
    from fakevm.model.port import Addressing, Port

_log = logging.getLogger(__name__)

# ``ip netns exec`` mounts what is in /etc/netns/<name>/ over /etc/.
_ETC = Path("/etc/netns")
# Not below /run/fakevm, which all hosts of a lab share.
_RUN = Path("/run/fakevm-guests")
_DHCLIENT = Path(__file__).parent / "dhclient"
# How long the kernel may take to remove a namespace that nobody uses any more.
_REMOVAL = 5.0
# The lease files of its DHCP clients, by IP version.
_LEASES = {4: "dhclient.leases", 6: "dhclient6.leases"}
# How long (seconds) a helper may announce the guest that it woke.
_ANNOUNCING = 5.0
# How long (seconds) a DHCP client that starts anew in a woken guest may ask for its lease again.
_RENEWING = 300.0


def runtime_directory(port_id: str) -> Path:
    """Where a guest keeps the files of its DHCP client."""
    return _RUN / port_id


def command_in_guest(namespace: str, port_id: str, command: Sequence[str]) -> list[str]:
    """Build the argv that runs a command in a guest, for a caller inside the guest's host.

    It gives the command the guest's network, /etc/resolv.conf, /etc/hosts and /etc/dhcp, any dhclient in it lease and
    pid files of its own, and the caller's PATH, with the folders of root's tools behind it: an ordinary user's lacks
    them. A command that does not exist ends with status 127.
    """
    run = runtime_directory(port_id)
    files = {
        "PATH_DHCLIENT_PID": run / "dhclient.pid",
        "PATH_DHCLIENT_DB": run / _LEASES[4],
        "PATH_DHCLIENT6_PID": run / "dhclient6.pid",
        "PATH_DHCLIENT6_DB": run / _LEASES[6],
        "PATH": SEARCH_PATH,
    }
    environment = [f"{name}={path}" for name, path in files.items()]
    return ["ip", "netns", "exec", namespace, "env", "--", *environment, *command]


class NamespaceGuest(Guest):
    """Guests of this host that are network namespaces.

    :param host: the name under which this host is known to Neutron
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._wakers = Wakers()
        # Of each woken guest, by port: the files of leases whose DHCP clients are yet to be started.
        self._owed: dict[str, set[str]] = {}

    def name(self, port: Port) -> str:
        """Name a port's namespace."""
        return names.guest_namespace(self._host, port.guest_port)

    def make(self, port: Port, uplink: Uplink, *, asleep: bool = False) -> None:
        """See Guest."""
        if port.beside and not netns.exists(self.name(port)):
            raise errors.PlugFailed(
                f"{port.words} is a further one of the guest of port {port.beside}, which is not on this host",
                hint="Plug that first.",
            )
        if link.exists(uplink.device) or (not port.beside and netns.exists(self.name(port))):
            self.remove([port])
        with _as_plug_failed(f"cannot make the guest of {port.words}"):
            self._write_files(port)
            link.batch(list(self._steps(port, uplink, asleep)))
            link.up_inside(names.device(port.id), namespace=self.name(port))
            link.quiet_up(uplink.device)
            if asleep:
                self._wakers.expect(port.id, self._waker_command(port))

    def tag(self, port: Port) -> str:
        """See Guest."""
        from . import vlan

        with _as_plug_failed(f"cannot make the VLAN devices of {port.words}"):
            return vlan.give(self.name(port), names.device(port.id), port.vlans)

    def _steps(self, port: Port, uplink: Uplink, asleep: bool) -> Iterator[str]:
        name, device = self.name(port), names.device(port.id)
        master = f" master {uplink.bridge}" if uplink.bridge else ""
        if not port.beside:
            yield f"netns add {name}"
        yield (
            f"link add name {uplink.device} mtu {port.mtu}{master} type veth"
            f" peer name {device} address {port.mac_address} mtu {port.mtu} netns {name}"
        )
        if asleep:
            yield from silent_steps(name, device)

    def _write_files(self, port: Port) -> None:
        etc, run = _ETC / self.name(port), runtime_directory(port.id)
        etc.mkdir(parents=True, exist_ok=True)
        run.mkdir(parents=True, exist_ok=True)
        if port.beside:
            return
        (etc / "resolv.conf").write_text("")
        (etc / "hosts").write_text(_hosts(port))
        if Path("/etc/dhcp").is_dir() and not (etc / "dhcp").is_symlink():
            (etc / "dhcp").symlink_to(_DHCLIENT)

    def remove(self, ports: Sequence[Port]) -> None:
        """See Guest."""
        for port in ports:
            if port.beside:
                self._remove_device(port)
        self._remove({self.name(port): port for port in ports if not port.beside})

    def _remove_device(self, port: Port) -> None:
        """Take a further port's device out of a guest that stays."""
        from . import dhcp

        with _as_plug_failed(f"cannot remove the device of {port.words}"):
            self._wakers.end(port.id)
            self._owed.pop(port.id, None)
            for version in _LEASES:
                dhcp.stop(self.name(port), names.device(port.id), version=version)
            if ends := [end for end in self._host_ends(port) if link.exists(end)]:
                link.batch([f"link del {end}" for end in ends], force=True)
            shutil.rmtree(runtime_directory(port.id), ignore_errors=True)

    def _remove(self, guests: dict[str, Port]) -> None:
        with _as_plug_failed(f"cannot remove the guest of port {', '.join(port.id for port in guests.values())}"):
            for port in guests.values():
                self._wakers.end(port.id)
                self._owed.pop(port.id, None)
            inside = netns.identities(guests)
            process.stop(netns.processes(inside))
            for name in guests:
                netns.remove(name)
            # Those that came in while others ended: a DHCP client's successor, a command of the user's.
            process.stop(netns.processes(inside))
            ends = [end for port in guests.values() for end in self._host_ends(port)]
            if left := link.wait_gone(ends, timeout=_REMOVAL):
                link.batch([f"link del {device}" for device in left], force=True)
            for name, port in guests.items():
                shutil.rmtree(_ETC / name, ignore_errors=True)
                shutil.rmtree(runtime_directory(port.id), ignore_errors=True)

    @staticmethod
    def _host_ends(port: Port) -> tuple[str, str]:
        return names.device_peer(port.id), names.tap(port.id)

    def problem(self, port: Port) -> str:
        """See Guest."""
        if not netns.exists(self.name(port)):
            return f"there is no namespace {self.name(port)}"
        if not any(link.exists(end) for end in self._host_ends(port)):
            return f"the namespace has no device {names.device(port.id)}"
        if port.beside:
            # The guest may have been made anew, and the device be left in what it was before.
            try:
                link.addresses(names.device(port.id), namespace=self.name(port))
            except errors.CommandFailed:
                return f"the guest of port {port.beside} has no device {names.device(port.id)}"
        return ""

    def addresses(self, port: Port) -> list[str]:
        """See Guest."""
        try:
            return link.addresses(names.device(port.id), namespace=self.name(port))
        except errors.CommandFailed:
            return []

    def set_dns(self, port: Port, servers: Sequence[str]) -> None:
        """Write the guest's own resolv.conf."""
        (_ETC / self.name(port) / "resolv.conf").write_text("".join(f"nameserver {server}\n" for server in servers))

    def address(self, port: Port, mode: Addressing, timeout: float) -> None:
        """See Guest."""
        from .address import assign

        assign(self, port, mode, timeout)

    def state(self, port: Port) -> GuestState:
        """See Guest."""
        from . import dhcp, state

        name, run = self.name(port), runtime_directory(port.id)
        with _as_plug_failed(f"cannot read the state of the guest of {port.words}"):
            owed = self._owed.get(port.id, ())
            files = [
                run / file
                for version, file in _LEASES.items()
                if file in owed or dhcp.running(name, names.device(port.id), version=version)
            ]
            # a client that was told to keep its leases elsewhere asks for a new one
            leases = {file.name: file.read_text() if file.exists() else "" for file in files}
            resolv_conf = (_ETC / name / "resolv.conf").read_text()
            read = state.read(name, names.device(port.id))
        return read.model_copy(update={"resolv_conf": resolv_conf, "leases": leases})

    def silence(self, port: Port) -> None:
        """See Guest."""
        with _as_plug_failed(f"cannot silence the guest of {port.words}"):
            silence(self.name(port), names.device(port.id))

    def prime(self, port: Port, state: GuestState) -> None:
        """See Guest."""
        from .state import commands

        if waker := self._wakers.waiting(port.id):
            with _as_plug_failed(f"cannot prepare the guest of {port.words}"):
                waker.prime(list(commands(state, names.device(port.id), moved=True)))

    def wake(self, port: Port, state: GuestState, *, moved: bool) -> None:
        """See Guest."""
        from .state import commands

        wanted = list(commands(state, names.device(port.id), moved=moved))
        addresses = [words.partition("/")[0].split()[0] for words in state.addresses]
        # a guest that was awake before has its own
        defaults = QUIETED if moved else ()
        with _as_plug_failed(f"cannot wake the guest of {port.words}"):
            waker = self._wakers.take(port.id, self._waker_command(port))
            try:
                self._write_files_of(port, state, with_leases=moved)
                failed = waker.wake(wanted, addresses=addresses, strict=moved, defaults=defaults)
            except BaseException:
                waker.end()
                silence(self.name(port), names.device(port.id))  # however far it came
                raise
        owed = self._owed[port.id] = set(state.leases)
        threading.Thread(target=self._settle, args=(port, owed, waker), name="settle", daemon=True).start()
        if failed and moved:
            raise errors.PlugFailed(f"the guest of {port.words} cannot have its state: {'; '.join(failed)}")
        if failed:
            _log.warning("the guest of port %s is awake without: %s", port.id, "; ".join(failed))

    def _write_files_of(self, port: Port, state: GuestState, *, with_leases: bool) -> None:
        (_ETC / self.name(port) / "resolv.conf").write_text(state.resolv_conf)
        for name in _LEASES.values() if with_leases else ():
            if name in state.leases:
                (runtime_directory(port.id) / name).write_text(state.leases[name])

    def _settle(self, port: Port, owed: set[str], waker: Waker) -> None:
        """See a woken guest through its announcements, then start what DHCP clients it had."""
        waker.join(_ANNOUNCING)
        deadline = time.monotonic() + _RENEWING
        for version, name in _LEASES.items():
            if name not in owed or self._owed.get(port.id) is not owed:
                continue
            words = self._renew(port, version, deadline)
            owed.discard(name)
            if words and not self.problem(port):  # else it was removed meanwhile
                _log.error("the guest of port %s has no DHCP client any more: %s", port.id, words)

    def _renew(self, port: Port, version: int, deadline: float) -> str:
        """Start a DHCP client unless it runs; returns what went wrong."""
        from . import dhcp
        from .address import lease

        if dhcp.running(self.name(port), names.device(port.id), version=version):
            return ""
        try:
            return lease(self, port, version, deadline)
        except errors.FakevmError as exc:
            return exc.what

    def _waker_command(self, port: Port) -> list[str]:
        return self.command(port, waker_command(names.device(port.id)))

    def command(self, port: Port, command: Sequence[str]) -> list[str]:
        """See Guest."""
        return command_in_guest(self.name(port), port.id, command)


def _hosts(port: Port) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{fixed.address} {port.hostname}" for fixed in port.fixed_ips if port.hostname]
    return "".join(f"{line}\n" for line in lines)


@contextlib.contextmanager
def _as_plug_failed(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise errors.PlugFailed(f"{doing}: {exc}") from exc
    except (errors.CommandFailed, errors.TimedOut) as exc:
        raise errors.PlugFailed(f"{doing}: {exc.what}", hint=exc.hint) from exc
