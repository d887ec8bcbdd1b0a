"""What counts as an identity in OpenStack."""

from __future__ import annotations


def is_uuid(word: str) -> bool:
    """Tell whether Neutron and Nova take a word for a UUID: what oslo.utils' ``is_uuid_like`` does."""
    # Imported here alone: ``fakevm exec`` asks nothing of the kind where a name says it all.
    import uuid

    try:
        plain = word.replace("urn:", "").replace("uuid:", "").strip("{}").replace("-", "").lower()
        return uuid.UUID(word).hex == plain
    except ValueError:
        return False


def called(name: str, instance: str, port_id: str = "") -> str:
    """Say what people call a guest, by its port's own ``name`` and its ``instance`` (Neutron's device_id).

    The instance's id, as ``create-port`` is given it; but of a UUID, which nobody can remember, the port's name: a lab
    file's guest gives its own name to its first port.
    """
    return name or instance or port_id if is_uuid(instance) else instance or name or port_id


def port_words(port_id: str, name: str, instance: str) -> str:
    """Name a port in a sentence: its id, and whose it is (of nobody's: the id alone)."""
    title = called(name, instance, port_id)
    return f"port {port_id}" if title == port_id else f"port {port_id} ({title})"
