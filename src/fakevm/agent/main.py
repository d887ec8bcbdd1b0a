"""``neutron-fakevm-agent``: plugs fake VMs on the host on which it runs."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fakevm import errors
from fakevm.rpc.threads import choose_threads

_log = logging.getLogger(__name__)

# A clean end may take this long (seconds); guests and their commands' ends do not depend on it.
_STOPPING = 3.0
# Calls served at once, each by a thread that is made when it is needed: a guest that waits for its address holds one,
# and what ends that wait (unplug) must find another. oslo.messaging's own 64 are fewer than a host may have guests.
_CALLS = 512


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent until SIGTERM or SIGINT; returns the exit status."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except errors.FakevmError as exc:
        print(f"neutron-fakevm-agent: {exc}", file=sys.stderr)
        return exc.exit_status


def _run(argv: Sequence[str]) -> int:
    from . import config, emulation

    choose_threads()
    conf = config.load(argv)
    if conf.fakevm.enable_multi_node_emulate and emulation.inside() is None:
        emulation.prepare(conf, argv)
    _set_up_logging(conf)
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


def _set_up_logging(conf: Any) -> None:
    from oslo_log import log

    log.setup(conf, "fakevm")


class Agent:
    """The agent's parts, put together."""

    def __init__(self, conf: Any) -> None:
        import oslo_messaging

        from . import plugin
        from .commands import Commands
        from .earlier import convert
        from .execution import Executions
        from .kinds import Kinds
        from .manager import Manager
        from .reports import StateReporter
        from .server import CONTROL_EXCHANGE, AgentEndpoint, make_server
        from .store import Store

        options = conf.fakevm
        driver = plugin.load(options.fakevm_agent_plugin, conf)
        store = Store(Path(options.state_path))
        convert(store, Path(options.state_path))
        self._manager = Manager(options.host, options.fakevm_agent_plugin, driver, Kinds(options.host), store)
        self._executions = Executions()
        oslo_messaging.set_transport_defaults(control_exchange=CONTROL_EXCHANGE)
        transport = oslo_messaging.get_rpc_transport(conf)
        endpoint = AgentEndpoint(self._manager, Commands(self._manager, self._executions))
        self._server = make_server(transport, options.host, endpoint)
        self._reporter = StateReporter(
            transport, options.host, options.fakevm_agent_plugin, options.report_interval, self._manager.count
        )

    def start(self) -> None:
        """Find the guests again, then serve and report; waits for the broker as long as it takes."""
        try:
            from .recovery import recover

            recover(self._manager)
            self._server.start(override_pool_size=_CALLS)
            self._reporter.start()
            _log.info("ready")
        except Exception:
            _log.exception("cannot start")
            os.kill(os.getpid(), signal.SIGTERM)

    def stop(self) -> None:
        """Serve and report no more, end the commands that run in guests."""
        self._reporter.stop()
        self._executions.stop_all(_STOPPING / 2)
        self._server.stop()


if __name__ == "__main__":
    sys.exit(main())
