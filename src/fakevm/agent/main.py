"""``neutron-fakevm-agent``: plugs fake VMs on the host on which it runs."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import fakevm
from fakevm import errors
from fakevm.rpc.threads import choose_threads

_log = logging.getLogger(__name__)

# A clean end may take this long (seconds); guests and their commands' ends do not depend on it.
_STOPPING = 3.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent until SIGTERM or SIGINT; returns the exit status."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except errors.FakevmError as exc:
        print(f"neutron-fakevm-agent: {exc}", file=sys.stderr)
        return exc.exit_status


def _run(argv: Sequence[str]) -> int:
    from . import alone

    if conf := alone.load(argv):
        alone.set_up_logging()
    else:
        conf = _prepared(argv)
    end = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: end.set())
    agent = Agent(conf)
    threading.Thread(target=agent.start, name="start", daemon=True).start()
    end.wait()
    _log.info("stopping; the guests stay")
    stopping = threading.Thread(target=agent.stop, daemon=True)
    stopping.start()
    stopping.join(_STOPPING)
    logging.shutdown()
    # oslo.messaging's threads may wait for a broker that is gone
    os._exit(0)


def _prepared(argv: Sequence[str]) -> Any:
    """Read the options, become the agent of an emulated host if that is wanted, set up the log."""
    from . import config, emulation

    choose_threads()
    conf = config.load(argv)
    if conf.fakevm.enable_multi_node_emulate and emulation.inside() is None:
        emulation.prepare(conf, argv)
    from oslo_log import log

    log.setup(conf, "fakevm")
    return conf


class Line(Protocol):
    """How calls come to the agent."""

    def start(self) -> None:
        """Serve."""

    def stop(self) -> None:
        """Serve no more."""


class Agent:
    """The agent's parts, put together."""

    def __init__(self, conf: Any) -> None:
        from . import plugin
        from .commands import Commands
        from .earlier import convert
        from .execution import Executions
        from .kinds import Kinds
        from .manager import Manager
        from .store import Store

        options = conf.fakevm
        driver = plugin.load(options.fakevm_agent_plugin, conf)
        folder = Path(options.state_path)
        store = Store(folder)
        convert(store, folder)
        self._folder = folder
        self._kinds = Kinds(options.host, folder)
        self._manager = Manager(options.host, options.fakevm_agent_plugin, driver, self._kinds, store)
        self._executions = Executions()
        commands = Commands(self._manager, self._executions)
        self._line: Line
        if options.socket:
            from fakevm.rpc.socket import Server

            from .answering import Answering

            self._line = Server(
                Path(options.socket), Answering(self._manager, commands), {"version": fakevm.__version__}
            )
        else:
            from .server import AgentEndpoint, OverBroker

            self._line = OverBroker(conf, AgentEndpoint(self._manager, commands), self._manager.count)

    def start(self) -> None:
        """Find the guests again, then serve; waits for a broker as long as it takes."""
        try:
            from .consoles import Consoles
            from .recovery import recover

            if self._manager.may_replace_devices:
                # To import pyroute2 is a third of the start of an agent that has no use for it.
                from .watching import Watching

                Watching(self._manager)
            Consoles(self._folder)
            recover(self._manager)
            self._line.start()
            _log.info("ready")
        except Exception:
            _log.exception("cannot start")
            os.kill(os.getpid(), signal.SIGTERM)

    def stop(self) -> None:
        """End the commands that run in guests, and serve no more."""
        self._executions.stop_all(_STOPPING / 2)
        self._kinds.close()
        self._line.stop()


if __name__ == "__main__":
    sys.exit(main())
