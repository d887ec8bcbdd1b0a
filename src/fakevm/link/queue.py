"""The root queue of a device: netem and a shape, made, changed and taken away without losing what waits in it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from fakevm import errors
from fakevm.linux import process
from fakevm.model.impairment import Conditions, Impairment

from . import shape

# Seconds in which a queue that was opened is empty.
_OPENED = 5.0


class Queue:
    """What leaves a device of a network namespace (empty: the host's own) waits here.

    :param mtu: in bytes
    """

    def __init__(self, namespace: str, device: str, mtu: int) -> None:
        self._namespace = namespace
        self._device = device
        self._mtu = mtu

    def hold(self, now: Conditions, before: Conditions, *, netem: bool) -> None:
        """Bring the queue to what is wanted. Raises CommandFailed.

        :param before: what it was
        :param netem: whether the kernel's netem makes the impairments; else only the shape is made here
        """
        if form_of(now, netem=netem) != form_of(before, netem=netem):
            self.clear(before)
        with_netem = netem and bool(now.impair.named)
        steps = [shape.netem(self._device, now.impair)] if with_netem else []
        parent = shape.NETEM_CLASS if with_netem else "root"
        there = any(queue["kind"] == "htb" for queue in self._waiting())
        self._tc([*steps, *shape.steps(self._device, now.shape, self._mtu, parent, there=there)])

    def clear(self, before: Conditions) -> None:
        """Take the queue away, once it is empty; what it was is made so that it is that soon. Raises CommandFailed."""
        if not self._waiting():
            return
        if not before.impair.named:
            self._tc(list(shape.opened(self._device, before.shape)), force=True)
        deadline = time.monotonic() + before.impair.delay + before.impair.jitter + _OPENED
        while any(queue.get("backlog") for queue in self._waiting()) and time.monotonic() < deadline:
            time.sleep(0.005)
        self._tc([f"qdisc del dev {self._device} root"], force=True)

    def _waiting(self) -> list[dict[str, Any]]:
        """Give the queues that we made, with what waits in them."""
        said = process.run([*self._enter, "-json", "-statistics", "qdisc", "show", "dev", self._device])
        return [queue for queue in json.loads(said) if queue.get("kind") in ("tbf", "htb", "netem", "pfifo")]

    @property
    def _enter(self) -> list[str]:
        return ["tc", *(["-n", self._namespace] if self._namespace else [])]

    def _tc(self, steps: Sequence[str], *, force: bool = False) -> None:
        tc(self._namespace, steps, force=force)


def tc(namespace: str, steps: Sequence[str], *, force: bool = False) -> None:
    """Run ``tc`` commands in a network namespace (empty: the host's own), with ``force`` all, whatever fails.

    Raises CommandFailed.
    """
    if not steps:
        return
    enter = ["tc", *(["-n", namespace] if namespace else []), *(["-force"] if force else []), "-batch", "-"]
    try:
        process.run(enter, stdin="".join(f"{step}\n" for step in steps))
    except errors.CommandFailed:
        if not force:
            raise


def form_of(conditions: Conditions, *, netem: bool) -> object:
    """Give what two conditions must have in common so that a queue of one becomes one of the other."""
    impaired = conditions.impair if netem else Impairment()
    return bool(impaired.named), shape.form(conditions.shape)
