"""A guest that watches another: it probes its address all the time, and what it saw is fetched as it comes."""

from __future__ import annotations

import base64
import signal
import threading

from fakevm.control.agents import Agents
from fakevm.errors import FakevmError, TimedOut

# Seconds. No move takes longer; a prober that nobody ended ends by itself.
LONGEST = 3600.0
# How long the prober may take until it has said something, and to its end after it was told to end.
STARTING = 10.0
ENDING = 10.0
# How long a call waits for output: longer than the prober keeps its words to itself.
_WAIT = 1.0


class Observer:
    """Probes ``address`` by ICMP echo, every ``interval`` seconds, from a guest on a host."""

    def __init__(self, agents: Agents, host: str, guest_id: str, address: str, interval: float) -> None:
        self._agent = agents.on(host)
        self._host = host
        self._guest_id = guest_id
        self._address = address
        self._interval = interval
        self._exec_id = ""
        self._said: list[bytes] = []
        self._errors: list[bytes] = []
        self._problem: FakevmError | None = None
        self._status: int | None = None
        self._given_up = False
        self._probing = threading.Event()
        self._thread = threading.Thread(target=self._read, name="observer", daemon=True)

    def start(self) -> None:
        """Begin to probe; returns when the first probe has been sent. Raises NotFound, AgentDown, TimedOut."""
        self._exec_id = self._agent.probe_start(self._guest_id, self._address, self._interval, LONGEST)
        self._thread.start()
        if not self._probing.wait(STARTING):
            self._given_up = True
            raise TimedOut(f"the prober on {self._host} said nothing in {STARTING:g} s")
        self._check()

    def stop(self) -> list[str]:
        """End it; gives the prober's lines (see AgentApi.probe_start). Raises what kept it from probing to the end."""
        if self._status is None and self._problem is None:
            self._agent.exec_signal(self._exec_id, signal.SIGINT)
        self._thread.join(ENDING)
        if self._thread.is_alive():
            self._given_up = True
            raise TimedOut(f"the prober on {self._host} did not end in {ENDING:g} s")
        return self.lines()

    def lines(self) -> list[str]:
        """Give the prober's lines until now. Raises what keeps it from probing."""
        self._check()
        whole, _, _ = b"".join(self._said).rpartition(b"\n")
        return whole.decode().splitlines()

    def _check(self) -> None:
        if self._problem:
            raise self._problem
        if self._status:
            said = b"".join(self._errors).decode(errors="replace").strip() or "nothing"
            raise FakevmError(
                f"the prober in the guest {self._guest_id} on {self._host} ended with status {self._status};"
                f" its last words: {said.splitlines()[-1]}"
            )

    def _read(self) -> None:
        try:
            while self._status is None and not self._given_up:
                answer = self._agent.exec_io(self._exec_id, "", True, _WAIT)
                self._said.append(base64.b64decode(answer.stdout))
                self._errors.append(base64.b64decode(answer.stderr))
                self._status = answer.exit_status
                if self._said[-1]:
                    self._probing.set()
        except FakevmError as problem:
            self._problem = problem
        finally:
            self._probing.set()
