"""The parts of user data, as cloud-init takes it apart: one, or several in MIME's form, each perhaps gzipped."""

from __future__ import annotations

import email
import email.message
import gzip
import zlib
from collections.abc import Iterator
from typing import NamedTuple

# What the first line says a part is (cloudinit.handlers, INCLUSION_TYPES_MAP).
_BEGINNINGS = {
    b"#!": "text/x-shellscript",
    b"#cloud-config": "text/cloud-config",
    b"#cloud-boothook": "text/cloud-boothook",
    b"#include": "text/x-include-url",
    b"#part-handler": "text/part-handler",
    b"## template: jinja": "text/jinja2",
}
SCRIPT, CONFIG, BOOTHOOK = "text/x-shellscript", "text/cloud-config", "text/cloud-boothook"
# Of a part of one of these types the first line decides.
_VAGUE = ("text/plain", "text/x-not-multipart", "application/octet-stream", "application/x-gzip", "application/gzip")


class Part(NamedTuple):
    """A part: its type, as cloud-init names types, and what it says."""

    kind: str
    content: bytes


def parts(data: bytes) -> list[Part]:
    """Take user data apart, in its order; what nothing is known of has the type ``text/plain``."""
    return list(_parts(data))


def _parts(data: bytes) -> Iterator[Part]:
    data = _unpacked(data)
    if not data.strip():
        return
    if _is_mime(data):
        for message in email.message_from_bytes(data).walk():
            if not message.is_multipart():
                yield from _of(message)
    else:
        yield Part(_kind(data), data)


def _of(message: email.message.Message) -> Iterator[Part]:
    content = message.get_payload(decode=True)
    if not isinstance(content, bytes):
        return
    content = _unpacked(content)
    kind = message.get_content_type()
    if kind in _VAGUE and _is_mime(content):
        yield from _parts(content)
    elif content.strip():
        yield Part(_kind(content) if kind in _VAGUE else kind, content)


def _is_mime(data: bytes) -> bool:
    head = data.lstrip()[:4096].lower()
    return head.startswith((b"mime-version:", b"content-type:"))


def _kind(data: bytes) -> str:
    begins = data.lstrip()
    return next((kind for begin, kind in _BEGINNINGS.items() if begins.startswith(begin)), "text/plain")


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return data
