"""The kinds of guests that FakeVM brings; others are entry points (``fakevm.guests``)."""

from __future__ import annotations

# A network namespace, one with processes and files of its own, and a virtual machine.
NAMESPACE_KIND, CONTAINER_KIND, VM_KIND = "namespace", "container", "vm"
# Those whose interfaces on ports are called eth0, eth1… where nobody says how.
COUNTING_KINDS = (CONTAINER_KIND, VM_KIND)
DEFAULT_KIND = NAMESPACE_KIND
# What users set to choose another for guests of which nothing is said.
GUEST_KIND_VARIABLE = "FAKEVM_GUEST_KIND"
