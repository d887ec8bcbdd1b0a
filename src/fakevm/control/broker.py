"""The message broker: is it there, and the RPC client on it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fakevm.control.access import Access
from fakevm.control.broker_claims import BrokerClaims
from fakevm.errors import FakevmError, InvalidInput, Unreachable
from fakevm.rpc.contract import TOPIC, VERSION
from fakevm.rpc.line import NoAnswer, OtherVersion
from fakevm.rpc.threads import choose_threads

if TYPE_CHECKING:
    from kombu import Connection
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
        self._client: RPCClient = oslo_messaging.get_rpc_client(self._transport, target, retry=1)
        # What is no RabbitMQ has no claims: then two commands may meet.
        self.claims = BrokerClaims(self._open_any) if self._url.transport == "rabbit" else None

    def call(self, host: str, verb: str, arguments: Mapping[str, Any], timeout: float, silence: float) -> Any:
        """Call a verb of a host's agent; gives the envelope of its answer.

        :param timeout: so many seconds the answer may take
        :param silence: so many seconds nothing may be heard of the agent
        :raises NoAnswer: one of these times is up
        :raises OtherVersion: the agent speaks another version of the contract
        :raises Unreachable: the broker does not take it
        """
        import oslo_messaging

        prepared = self._client.prepare(server=host, timeout=timeout, call_monitor_timeout=silence)
        try:
            return prepared.call({}, verb, **arguments)
        except oslo_messaging.MessagingTimeout as problem:
            raise NoAnswer(f"did not answer within {silence:g} s") from problem
        except oslo_messaging.RemoteError as problem:
            if problem.exc_type == "UnsupportedVersion":
                raise OtherVersion({}) from problem
            raise FakevmError(
                f"the FakeVM agent on {host} failed in {verb}: {problem.exc_type}: {problem.value}",
                hint="This is a fault of FakeVM's own; the agent's log has the whole story.",
            ) from problem
        except oslo_messaging.MessagingException as problem:
            raise Unreachable(f"could not send {verb} to {host}: {problem}") from problem

    def close(self) -> None:
        """Leave the broker; its threads end."""
        if self.claims:
            self.claims.close()
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
        connection = self._door(host)
        try:
            connection.connect()
        except (*connection.connection_errors, *connection.channel_errors) as problem:
            return str(problem) or type(problem).__name__
        finally:
            connection.release()
        return ""

    def _open_any(self) -> Connection:
        """Choose the first node that lets us in; kombu logs in when the connection is used."""
        hosts = self._url.hosts
        return self._door(next((host for host in hosts if not self._knock(host)), hosts[-1]))

    def _door(self, host: TransportHost) -> Connection:
        import kombu

        return kombu.Connection(
            hostname=host.hostname,
            port=host.port or 5672,
            userid=host.username or "guest",
            password=host.password or "guest",
            virtual_host=self._url.virtual_host or "/",
            connect_timeout=CONNECT_TIMEOUT,
            ssl=self._tls(),
        )

    def _tls(self) -> dict[str, object] | bool:
        """Give what TLS needs, as oslo.messaging gives it (impl_rabbit, _fetch_ssl_params); False without it."""
        options = self._configuration.oslo_messaging_rabbit
        if not options.ssl:
            return False
        files = {"keyfile": options.ssl_key_file, "certfile": options.ssl_cert_file, "ca_certs": options.ssl_ca_file}
        given: dict[str, object] = {name: value for name, value in files.items() if value}
        return {**given, "cert_reqs": ssl.CERT_REQUIRED} if options.ssl_ca_file else given or True


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
