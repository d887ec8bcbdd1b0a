"""What is asked, and done, in a virtual machine by its shell, and how what is said there is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fakevm import errors
from fakevm.guest.address import metric, static_steps

from .channel import BOOTING, NoAnswerError
from .entering import Asked

if TYPE_CHECKING:
    from fakevm.model.interface import Interface
    from fakevm.model.port import FixedIp

_SHOW, _FAILED = "ip -o address", "fakevm-failed"
_ADDRESS = re.compile(r"^\d+: (\S+)\s+inet6? (\S+) .*scope (\w+)")
_DEVICES = "for d in /sys/class/net/*; do echo ${d##*/} $(cat $d/address); done; echo .; "
# Seconds that a machine that has booted may take to say what it is asked, and those to find out whether it has.
_ANSWERING, _BOOTED = 3.0, 1.5


class Inside:
    """A machine, seen from its shell."""

    def __init__(self, shell: Asked) -> None:
        self._shell = shell

    def do(self, line: str) -> None:
        """Have the shell do something; a machine that boots is waited for. Raises CommandFailed."""
        said = self._ask(f"{{ {line}; }} 2>&1 </dev/null || echo {_FAILED}")
        if said and said[-1] == _FAILED:
            raise errors.CommandFailed(f"in the machine, {line!r} failed: {' '.join(said[:-1])}")

    def addresses(self, names: Mapping[str, str]) -> dict[str, list[str]]:
        """List the usable addresses of each device, by the names that its MAC address has in ``names``, or its own.

        Raises CommandFailed: it has no shell yet, or is busy.
        """
        said = self._ask(_DEVICES + _SHOW, answering=_ANSWERING, booting=_BOOTED)
        devices, seen = said[: said.index(".")], addresses(said[said.index(".") + 1 :])
        ours = {name: names[mac] for name, _, mac in (line.partition(" ") for line in devices) if mac in names}
        return {ours.get(name, name): found for name, found in seen.items()}

    def set(self, interface: Interface, fixed_ips: Sequence[FixedIp]) -> None:
        """Set addresses, with what Neutron says of their subnets. Raises CommandFailed."""
        find = f"d=$(grep -lix {interface.mac_address} /sys/class/net/*/address); d=${{d%/address}}; d=${{d##*/}}"
        for fixed in fixed_ips:
            for step in static_steps(fixed, interface.name, metric(interface.index)):
                # Neither word is one of busybox's.
                plain = step.removesuffix(" nodad").replace(" onlink", "").replace(f"dev {interface.name}", "dev $d")
                self.do(f"{find}; ip {plain.replace('address replace', 'address add')}")
        for server in dict.fromkeys(server for fixed in fixed_ips for server in fixed.dns_servers):
            self.do(f"grep -qx 'nameserver {server}' /etc/resolv.conf || echo nameserver {server} >>/etc/resolv.conf")

    def _ask(self, script: str, *, answering: float = 60.0, booting: float = BOOTING) -> list[str]:
        try:
            return self._shell.ask(script, timeout=answering, booting=booting)
        except (NoAnswerError, OSError) as exc:
            raise errors.CommandFailed(f"the machine cannot be asked: {exc}") from exc


def addresses(lines: Sequence[str]) -> dict[str, list[str]]:
    """Read ``ip -o address``: the usable addresses of each device, in CIDR form, without link-local ones."""
    found: dict[str, list[str]] = {}
    for line in lines:
        seen = _ADDRESS.match(line)
        if seen and seen[3] == "global" and "tentative" not in line:
            found.setdefault(seen[1], []).append(seen[2])
    return found
