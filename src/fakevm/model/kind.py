"""The kinds of guests that FakeVM brings; others are entry points (``fakevm.guests``)."""

from __future__ import annotations

# A network namespace, and one with processes and files of its own.
NAMESPACE_KIND, CONTAINER_KIND = "namespace", "container"
DEFAULT_KIND = NAMESPACE_KIND
# What users set to choose another for guests of which nothing is said.
GUEST_KIND_VARIABLE = "FAKEVM_GUEST_KIND"
