"""What befalls the frames of guests' interfaces, on this host: impairments, and how fast they go.

Where the kernel has netem, it makes the impairments. Elsewhere a rule loses frames at random, and a delay line, a small
program, does the rest. Frames that are on their way leave as they were to, whatever is changed meanwhile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from fakevm import errors, names
from fakevm.model.guest import Guest
from fakevm.model.impairment import Conditions
from fakevm.model.interface import Interface, LinkEnd
from fakevm.model.port import Port

from .delay import Lines, Spot
from .detour import Detour
from .devices import of_place
from .patch import Patch
from .ways import NAMESPACE, OnDevice, OnLink, Way


class Impairments:
    """The conditions of the interfaces of one host's guests."""

    def __init__(self, host: str, patch: Patch) -> None:
        self._host = host
        self._patch = patch
        self._lines = Lines()

    def hold(self, guest: Guest, now: Interface, before: Interface | None = None) -> None:
        """Bring an interface's frames under its conditions; ``before``: as it was, None: as now, or new.

        Raises PlugFailed, Prerequisite.
        """
        was = before or now
        with _as_plug_failed(f"cannot impair {now.name} of {guest.title}"):
            if now.sent or was.sent:
                self._sent(guest, now).hold(now.sent, was.sent)
            if now.received or was.received:
                self._received(now).hold(now.received, was.received)

    def release(self, guest: Guest, interface: Interface) -> None:
        """Take away what there is for an interface that goes. Raises PlugFailed."""
        with _as_plug_failed(f"cannot take away what impairs {interface.name} of {guest.title}"):
            for way, _ in self._ways(guest, interface):
                way.release()

    def problem(self, guest: Guest, interface: Interface) -> str:
        """Say what is wrong; empty when frames suffer what they should."""
        return "; ".join(filter(None, (way.problem(conditions) for way, conditions in self._ways(guest, interface))))

    def means(self, guest: Guest, interface: Interface) -> tuple[str, str]:
        """Say by what its frames are impaired: those that it sends, and those that it receives."""
        sent = self._means(self._sent(guest, interface), interface.sent) if interface.sent else ""
        return sent, self._means(self._received(interface), interface.received) if interface.received else ""

    # -- within ----------------------------------------------------------------------------------------------

    @staticmethod
    def _means(way: Way, conditions: Conditions) -> str:
        counts = way.counts(conditions)
        return "; ".join(
            [*way.means(conditions), *([f"{counts['held']} held, {counts['dropped']} dropped"] if counts else [])]
        )

    def _ways(self, guest: Guest, interface: Interface) -> Iterator[tuple[Way, Conditions]]:
        if interface.sent:
            yield self._sent(guest, interface), interface.sent
        if interface.received:
            yield self._received(interface), interface.received

    def _sent(self, guest: Guest, interface: Interface) -> Way:
        attachment = interface.attachment
        if isinstance(attachment, LinkEnd):
            return OnLink(self._patch, self._lines, attachment, of_place(attachment, self._host), interface.mtu)
        tap = (
            names.sent_line(attachment.id)
            if isinstance(attachment, Port)
            else Detour(of_place(attachment, self._host)).tap
        )
        return OnDevice(self._lines, Spot(guest.namespace, tap, interface.name), interface.mtu, in_guest=True)

    def _received(self, interface: Interface) -> Way:
        attachment = interface.attachment
        if isinstance(attachment, Port):
            spot = Spot("", names.received_line(attachment.id), names.tap(attachment.id))
        else:
            device = of_place(attachment, self._host)
            spot = Spot(NAMESPACE, Detour(device).back, device)
        return OnDevice(self._lines, spot, interface.mtu, in_guest=False)


@contextlib.contextmanager
def _as_plug_failed(doing: str) -> Iterator[None]:
    try:
        yield
    except (errors.CommandFailed, errors.TimedOut) as exc:
        raise errors.PlugFailed(f"{doing}: {exc.what}", hint=exc.hint) from exc
    except OSError as exc:
        raise errors.PlugFailed(f"{doing}: {exc}") from exc
