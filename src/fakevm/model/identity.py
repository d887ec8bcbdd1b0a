"""What counts as an identity in OpenStack."""

from __future__ import annotations

import uuid


def is_uuid(word: str) -> bool:
    """Tell whether Neutron and Nova take a word for a UUID: what oslo.utils' ``is_uuid_like`` does."""
    try:
        plain = word.replace("urn:", "").replace("uuid:", "").strip("{}").replace("-", "").lower()
        return uuid.UUID(word).hex == plain
    except ValueError:
        return False
