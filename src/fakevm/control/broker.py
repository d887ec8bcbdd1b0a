"""The message broker: is it there, and the RPC client on it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from fakevm.control.access import Access
from fakevm.errors import InvalidInput, Unreachable
from fakevm.wire.contract import TOPIC, VERSION
from fakevm.wire.threads import choose_threads

if TYPE_CHECKING:
    from oslo_config.cfg import ConfigOpts
    from oslo_messaging import RPCClient, TransportHost

# Neutron's own control exchange: the agents read neutron.conf too.
EXCHANGE = "neutron"
# Seconds to wait for a connection; oslo.messaging by itself would try forever.
CONNECT_TIMEOUT = 10.0


class Broker:
    """A connection to the broker that ``access`` leads to, with an RPC client on it.

    Raises InvalidInput when nothing says where it is, Unreachable (in bounded time) when it does not answer.
    """

    def __init__(self, access: Access) -> None:
        choose_threads()
        import oslo_messaging

        self._configuration = _configuration(access)
        try:
            self._transport = oslo_messaging.get_rpc_transport(self._configuration, url=access.transport_url)
            self._url = oslo_messaging.TransportURL.parse(self._configuration, access.transport_url)
        except oslo_messaging.DriverLoadFailure as problem:
            raise InvalidInput(f"there is no such kind of broker: {problem.driver}", hint=_URL_HINT) from problem
        except oslo_messaging.InvalidTransportURL as problem:
            raise InvalidInput("the broker's address is malformed", hint=_URL_HINT) from problem
        if not self._url.hosts and self._url.transport == "rabbit":
            where = ", ".join(access.config_files) or "nothing"
            raise InvalidInput(f"{where} does not say where the message broker is", hint=_URL_HINT)
        self.check()
        target = oslo_messaging.Target(topic=TOPIC, version=VERSION, exchange=EXCHANGE)
        self.client: RPCClient = oslo_messaging.get_rpc_client(self._transport, target, retry=1)

    def close(self) -> None:
        """Leave the broker; its threads end."""
        self._transport.cleanup()

    def check(self) -> None:
        """Make sure that one of the broker's nodes answers and lets us in. Raises Unreachable."""
        problems = []
        for host in self._url.hosts:
            problem = self._knock(host)
            if not problem:
                return
            problems.append(f"{host.hostname}:{host.port or 5672} ({problem})")
        if problems:
            raise Unreachable(
                f"the message broker does not answer: {', '.join(problems)}",
                hint="In a lab, `fakevm lab status` tells what runs; else look at transport_url.",
            )

    def _knock(self, host: TransportHost) -> str:
        """Log in at a node and leave; returns what went wrong."""
        if self._url.transport != "rabbit" or self._configuration.oslo_messaging_rabbit.ssl:
            return _connect(host.hostname, host.port or 5672)
        import kombu

        connection = kombu.Connection(
            hostname=host.hostname,
            port=host.port or 5672,
            userid=host.username or "guest",
            password=host.password or "guest",
            virtual_host=self._url.virtual_host or "/",
            connect_timeout=CONNECT_TIMEOUT,
        )
        try:
            connection.connect()
        except (*connection.connection_errors, *connection.channel_errors) as problem:
            return str(problem) or type(problem).__name__
        finally:
            connection.release()
        return ""


_URL_HINT = "transport_url = rabbit://USER:PASSWORD@HOST:PORT/ in a neutron.conf's [DEFAULT] group says it."


def _configuration(access: Access) -> ConfigOpts:
    from oslo_config import cfg

    # The global one: oslo.messaging registers some of its options nowhere else.
    configuration: ConfigOpts = cfg.CONF
    files = list(access.config_files)
    try:
        configuration([], project="fakevm", default_config_files=files, default_config_dirs=[])
    except cfg.Error as problem:
        raise InvalidInput(f"could not read {', '.join(files)}: {problem}") from problem
    return configuration


def _connect(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), CONNECT_TIMEOUT).close()
    except OSError as problem:
        return str(problem)
    return ""
