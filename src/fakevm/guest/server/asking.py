"""Asks the metadata service for what a guest is to know of itself, as a cloud's images do.

That is OpenStack's form of it (nova.api.metadata.base), at the addresses that Neutron's metadata agents answer
(neutron_lib.constants: METADATA_V4_IP, METADATA_V6_IP).
"""

from __future__ import annotations

import http.client
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_V4 = "http://169.254.169.254"
# On each link, so a device is named with it; in a URL "%" is written "%25" (RFC 6874).
_V6 = "http://[fe80::a9fe:a9fe%25{device}]"
# Without the device, which is nobody's business but ours.
_V6_NAME = "[fe80::a9fe:a9fe]"
# So long (seconds) only IPv4 is asked: where there is no IPv4 nothing answers on the other, for as long as it takes the
# kernel to see that, three seconds.
_V4_ALONE = 3.0
_PAUSE = 0.2
_LONGEST_PAUSE = 2.0
# One answer may take so long (seconds).
_PATIENCE = 10.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Metadata(NamedTuple):
    """What was answered: meta_data.json, and the user data (None: there is none)."""

    about: dict[str, Any]
    user_data: bytes | None

    @property
    def keys(self) -> list[str]:
        """The SSH public keys."""
        return [str(key).strip() for key in (self.about.get("public_keys") or {}).values()]


def ask(patience: float, told: Callable[[str], None]) -> Metadata | None:
    """Ask until somebody answers; None when nobody does within ``patience`` seconds.

    ``told`` is told once what is in the way, and who answered.
    """
    begun, pause, said = time.monotonic(), _PAUSE, set[str]()
    while True:
        for place in _places(time.monotonic() - begun > _V4_ALONE):
            try:
                metadata = Metadata(json.loads(_get(f"{place}/openstack/latest/meta_data.json")), _user_data(place))
            except (OSError, ValueError, http.client.HTTPException) as exc:
                if (why := f"{place}: {getattr(exc, 'reason', exc)}") not in said:
                    told(f"no metadata yet: {why}")
                    said.add(why)
            else:
                told(f"metadata from {place}")
                return metadata
        if time.monotonic() - begun + pause > patience:
            return None
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _places(both: bool) -> Iterator[str]:
    """Name where the service may be: by IPv4, and on each of our links by IPv6."""
    yield _V4
    if both:
        yield from (_V6.format(device=device) for _, device in socket.if_nameindex() if device != "lo")


def _user_data(place: str) -> bytes | None:
    try:
        return _get(f"{place}/openstack/latest/user_data")
    except urllib.error.HTTPError as exc:
        if exc.code == 404:
            return None
        raise


def _get(url: str) -> bytes:
    headers = {"Host": _V6_NAME} if "[" in url else {}
    with _OPENER.open(urllib.request.Request(url, headers=headers), timeout=_PATIENCE) as answer:
        content: bytes = answer.read()
    return content
