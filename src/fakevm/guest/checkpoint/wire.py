"""Protocol Buffers' encoding, as CRIU speaks it and writes its images (protobuf.dev/programming-guides/encoding).

FakeVM sends three messages of it, and takes one field out of an image: less than a library with compiled descriptions
of CRIU's hundred messages, which would have to be of CRIU's version, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}

# What a field holds: a number, text, or a message that is packed already.
Content = int | str | bytes
Field = tuple[int, Content]


def pack(*fields: Field) -> bytes:
    """Pack fields, each its number and what it holds."""
    return b"".join(_packed(number, content) for number, content in fields)


def _packed(number: int, content: Content) -> bytes:
    if isinstance(content, int):
        return _varint(number << 3 | _VARINT) + _varint(content & (1 << 64) - 1)
    held = content.encode() if isinstance(content, str) else content
    return _varint(number << 3 | _BYTES) + _varint(len(held)) + held


def _varint(value: int) -> bytes:
    packed = bytearray()
    while value > 0x7F:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)
    return bytes(packed)


def fields(message: bytes) -> Iterator[Field]:
    """Unpack the fields of a message. Raises ValueError, IndexError: it is none."""
    position = 0
    while position < len(message):
        number, content, position = _field(message, position)
        yield number, content


def first(message: bytes, number: int, default: Content) -> Content:
    """Give the first field of this number, else the default. Raises as ``fields``."""
    return next((content for found, content in fields(message) if found == number), default)


def without(message: bytes, path: Sequence[int]) -> bytes:
    """Give a message without the fields at a path: numbers from outside to inside. Raises as ``fields``."""
    number, *rest = path
    kept, position = [], 0
    while position < len(message):
        begin = position
        found, content, position = _field(message, begin)
        if found != number:
            kept.append(message[begin:position])
        elif rest and isinstance(content, bytes):
            kept.append(_packed(found, without(content, rest)))
    return b"".join(kept)


def _field(message: bytes, position: int) -> tuple[int, Content, int]:
    """Unpack the field at a position; gives its number, what it holds, and where the next one is."""
    key, position = _number(message, position)
    kind = key & 7
    if kind == _VARINT:
        value, position = _number(message, position)
        return key >> 3, value, position
    length = _WIDTHS.get(kind)
    if kind == _BYTES:
        length, position = _number(message, position)
    if length is None or position + length > len(message):
        raise ValueError(f"no message of Protocol Buffers: field {key >> 3} of kind {kind} at {position}")
    return key >> 3, message[position : position + length], position + length


def _number(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
