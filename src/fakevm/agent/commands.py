"""Commands and probers in the guests of this host, as the RPC contract has them."""

from __future__ import annotations

from fakevm import errors
from fakevm.probe import icmp
from fakevm.rpc.contract import ExecAnswer

from .execution import Executions
from .manager import Manager

# Probes that follow one another faster than this (seconds) measure the prober.
_SHORTEST_INTERVAL = 0.0005


class Commands:
    """Runs commands in the manager's guests."""

    def __init__(self, manager: Manager, executions: Executions) -> None:
        self._manager = manager
        self._executions = executions

    def probe_start(self, guest_id: str, address: str, interval: float, duration: float) -> str:
        """See AgentApi."""
        if interval < _SHORTEST_INTERVAL or duration <= 0:
            raise errors.InvalidInput(f"cannot probe every {interval} s for {duration} s")
        command = icmp.command(address, interval, duration)
        return self._executions.start(self._manager.program(guest_id, command), duration + icmp.LATE + 1)

    def exec_start(self, guest_id: str, command: list[str], timeout: float | None) -> str:
        """See AgentApi."""
        return self._executions.start(self._manager.command(guest_id, command), timeout)

    def exec_io(self, exec_id: str, stdin: str, close_stdin: bool, wait: float) -> ExecAnswer:
        """See AgentApi."""
        return self._executions.io(exec_id, stdin, close_stdin, wait)

    def exec_signal(self, exec_id: str, signum: int) -> None:
        """See AgentApi."""
        self._executions.signal(exec_id, signum)
