"""One attempt of a check: its probe is run at the source, with what it needs at the target."""

from __future__ import annotations

import contextlib
import functools
import subprocess
from collections.abc import Callable
from functools import singledispatchmethod

from fakevm.errors import InvalidInput, Prerequisite, TimedOut
from fakevm.lab.place import Places
from fakevm.model.check import Observed
from fakevm.model.impairment import LONGEST_DELAY
from fakevm.model.labfile import check as files
from fakevm.model.labfile.check import Check
from fakevm.probe import bandwidth, stream
from fakevm.probe.base import PATIENCE, Probe, Run
from fakevm.probe.command import CommandProbe
from fakevm.probe.dhcp import DhcpProbe
from fakevm.probe.dns import DnsProbe
from fakevm.probe.http import HttpProbe
from fakevm.probe.lease import LeaseProbe
from fakevm.probe.mtu import MtuProbe
from fakevm.probe.ping import PingProbe
from fakevm.probe.tcp import TcpProbe
from fakevm.probe.udp import UdpProbe

from . import records, routers, way
from .helper import Helper, Responders
from .moves import Moves
from .outages import Outages

# Seconds on top of what a probe may take: many start at once.
_SPARE = 20.0
# They run what is in the guest, and ask what runs there; others run programs of ours in its network.
_OF_GUESTS = (files.CommandCheck, files.OspfCheck, files.BgpCheck)


class Attempts:
    """Makes attempts; may be used by many threads at once."""

    def __init__(self, places: Places, responders: Responders, outages: Outages, moves: Moves) -> None:
        self._places = places
        self._responders = responders
        self._outages = outages
        self._moves = moves

    def make(self, check: Check) -> Observed:
        """Attempt a check once. Raises FakevmError when it cannot be run."""
        return self._attempt(check)

    @singledispatchmethod
    def _attempt(self, check: Check) -> Observed:
        raise InvalidInput(f"there is no check of the kind {type(check).__name__}")

    @_attempt.register
    def _(self, check: files.PingCheck) -> Observed:
        return self._run(check, PingProbe(self._address(check), check.count))

    @_attempt.register
    def _(self, check: files.TcpCheck) -> Observed:
        echo = self._responders.listen(check.target, "tcp", check.port)
        return self._run(check, TcpProbe(self._address(check), check.port, echo=echo))

    @_attempt.register
    def _(self, check: files.UdpCheck) -> Observed:
        echo = self._responders.listen(check.target, "udp", check.port)
        return self._run(check, UdpProbe(self._address(check), check.port, echo=echo))

    @_attempt.register
    def _(self, check: files.HttpCheck) -> Observed:
        address = self._address(check)
        probe = HttpProbe(address, check.port, check.path, status=check.status, contains=check.contains)
        return self._run(check, probe)

    @_attempt.register
    def _(self, check: files.DnsCheck) -> Observed:
        return self._run(check, DnsProbe(check.name, check.server, check.answer))

    @_attempt.register
    def _(self, check: files.DhcpCheck) -> Observed:
        interface, port = self._places.guest(check.source).first_port()
        addresses = tuple(fixed.address for fixed in port.fixed_ips)
        return self._run(check, DhcpProbe(interface.name, addresses, check.servers))

    @_attempt.register
    def _(self, check: files.LeaseCheck) -> Observed:
        interface, port = self._places.guest(check.source).first_port()
        modes = {fixed.ipv6_address_mode for fixed in port.fixed_ips}
        stateless = check.family == 6 and "dhcpv6-stateful" not in modes
        return self._run(check, LeaseProbe(interface.name, check.family, check.gets, stateless=stateless))

    @_attempt.register
    def _(self, check: files.MtuCheck) -> Observed:
        return self._run(check, MtuProbe(self._address(check), check.size))

    @_attempt.register
    def _(self, check: files.CommandCheck) -> Observed:
        return self._run(check, CommandProbe(check.run, check.shows))

    @_attempt.register
    def _(self, check: files.BandwidthCheck) -> Observed:
        probe = bandwidth.BandwidthProbe(
            self._address(check), check.rates, check.tolerance, check.seconds,
            frames=check.counts == "frames", datagrams=check.protocol == "udp",
        )  # fmt: skip
        self._require_room(check, "bandwidth")
        with contextlib.ExitStack() as servers:
            for port in check.rates:
                command = self._places.command(check.target, bandwidth.server(port))
                servers.enter_context(Helper(command, bandwidth.READY))
            return self._run(check, probe)

    @_attempt.register
    def _(self, check: files.LossCheck) -> Observed:
        return self._stream(check, lambda sent: stream.LossProbe(sent, check.loss))

    @_attempt.register
    def _(self, check: files.DelayCheck) -> Observed:
        return self._stream(check, lambda sent: stream.DelayProbe(sent, check.delay, check.tolerance))

    @_attempt.register
    def _(self, check: files.DscpCheck) -> Observed:
        return self._stream(check, lambda sent: stream.MarkProbe(sent, check.mark))

    @_attempt.register
    def _(self, check: files.PacketsCheck) -> Observed:
        return self._stream(check, lambda sent: stream.RateProbe(sent, check.rate * 1000, check.tolerance))

    @_attempt.register
    def _(self, check: files.MeteredCheck) -> Observed:
        return records.of_label(self._places, check, functools.partial(run_at_source, self._places, check))

    @_attempt.register
    def _(self, check: files.LoggedCheck) -> Observed:
        return records.of_connection(self._places, check, functools.partial(run_at_source, self._places, check))

    @_attempt.register
    def _(self, check: files.ApiCheck) -> Observed:
        return records.of_api(self._places.record, check)

    @_attempt.register
    def _(self, check: files.OutageCheck) -> Observed:
        return self._outages.attempt(check)

    @_attempt.register
    def _(self, check: files.MigrateCheck) -> Observed:
        return self._moves.attempt(check)

    @_attempt.register
    def _(self, check: files.PathCheck) -> Observed:
        probe, run = way.watched(
            self._places, check, functools.partial(run_at_source, self._places), hosts=check.hosts, avoids=check.avoids
        )
        return probe.read(run)

    @_attempt.register
    def _(self, check: files.OspfCheck) -> Observed:
        return self._run(check, routers.ospf(self._places.lab, check))

    @_attempt.register
    def _(self, check: files.BgpCheck) -> Observed:
        return self._run(check, routers.bgp(self._places.lab, check))

    @_attempt.register
    def _(self, check: files.RouteCheck) -> Observed:
        return self._run(check, routers.route(self._places.lab, self._places, check))

    @_attempt.register
    def _(self, check: files.NeighbourCheck) -> Observed:
        run = functools.partial(run_at_source, self._places, check)
        return routers.neighbours(self._places.lab, self._places, check, run)

    # -- within ----------------------------------------------------------------------------------------------

    def _stream(self, check: files.StreamCheck, make: Callable[[stream.Stream], stream.StreamProbe]) -> Observed:
        """Send datagrams to a receiver at the target, which tells at last what came."""
        address = self._address(check)
        self._require_room(check, check.kind)
        command = self._places.command(check.target, stream.receiver(address, check.count))
        with Helper(command, stream.READY) as receiver:
            port = stream.port_of(receiver.lines)
            probe = make(stream.Stream(address, port, check.count, check.interval))
            run = run_at_source(self._places, check, probe)
            probe.told = receiver.end(LONGEST_DELAY + PATIENCE)
            return probe.read(run)

    def _require_room(self, check: files.TargetedCheck, what: str) -> None:
        if not self._places.can_listen(check.target):
            raise InvalidInput(f"{what} cannot be measured to {check.target}: nothing can be started there")

    def _address(self, check: files.TargetedCheck) -> str:
        return self._places.address(check.target, check.source, check.family)

    def _run(self, check: Check, probe: Probe) -> Observed:
        return probe.read(run_at_source(self._places, check, probe))


def run_at_source(places: Places, check: Check, probe: Probe) -> Run:
    """Run a probe at a check's source, to its end. Raises TimedOut, Prerequisite, NotFound."""
    argv = places.command(check.source, probe.command(), own=not isinstance(check, _OF_GUESTS))
    limit = probe.longest + _SPARE
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=limit, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as exc:
        raise TimedOut(f"the probe at {check.source} did not end in {limit:g} s") from exc
    except FileNotFoundError as exc:
        raise Prerequisite(f"there is no program {argv[0]}", hint="`fakevm doctor` lists what is needed.") from exc
    return Run(done.returncode, done.stdout, done.stderr)
