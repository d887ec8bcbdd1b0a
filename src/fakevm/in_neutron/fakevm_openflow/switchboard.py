"""The os-ken application that knows the world: it tells others of changes, and Neutron when they are done.

A switch introduces itself in OpenFlow's own words: the description of its datapath is its host's name, its serial
number the host's address for tunnels (Open vSwitch's ``other_config:dp-desc`` and ``dp-sn``); ports are known by
their names.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from os_ken.base import app_manager
from os_ken.controller import event, handler, ofp_event
from os_ken.controller.handler import DEAD_DISPATCHER, MAIN_DISPATCHER
from os_ken.lib import hub
from os_ken.ofproto import ofproto_v1_3

from . import options
from .bell import Bell
from .ledger import Ledger
from .reports import Reports
from .settings import CONF
from .telling import Listener
from .world import Switch, World

_log = logging.getLogger(__name__)

# How often (seconds) to look whether Neutron told something.
_LOOK = 0.02
# A controller that starts leaves the switches as they are until all are back that have ports, for so long (seconds) at
# most: what one is told without the others cuts it off from them. Open vSwitch tries again within 8 s.
_REUNION = 10.0


class EventWorld(event.EventBase):  # type: ignore[misc]
    """Something has changed: ``world`` is how it is now, ``datapaths`` are os-ken's connections, by host."""

    def __init__(self, world: World, datapaths: dict[str, Any]) -> None:
        super().__init__()
        self.world = world
        self.datapaths = datapaths


class EventWired(event.EventBase):  # type: ignore[misc]
    """An application's answer to EventWorld, to Switchboard: all flows of ``world`` are in the switch of ``host``."""

    def __init__(self, host: str, world: World) -> None:
        super().__init__()
        self.host = host
        self.world = world


class Switchboard(app_manager.OSKenApp):  # type: ignore[misc]
    """Follows the switches and what Neutron tells of ports.

    When no application listens to EventWorld, a port counts as wired once it is plugged.
    """

    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]
    # os-ken finds the source of an event by this, or by a module that is named as the application.
    _EVENTS = [EventWorld]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings = CONF[options.GROUP]
        self._listener = Listener(Path(settings.ports_folder))
        self._datapaths: dict[str, Any] = {}
        self._addresses: dict[str, str] = {}
        self._news = Bell()
        self._ledger = Ledger()
        self._reports = Reports(CONF, self._switches, settings.report_interval)

    def start(self) -> None:
        """See OSKenApp."""
        super().start()
        self.threads.append(hub.spawn(self._follow))

    @handler.set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])  # type: ignore[untyped-decorator]
    def _state_changed(self, ev: Any) -> None:
        datapath = ev.datapath
        if ev.state == MAIN_DISPATCHER:
            datapath.send_msg(datapath.ofproto_parser.OFPDescStatsRequest(datapath, 0))
            return
        for host in [host for host, known in self._datapaths.items() if known is datapath]:
            _log.warning("the switch of %s is gone", host)
            self._leave(host)

    @handler.set_ev_cls(ofp_event.EventOFPDescStatsReply, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _introduced(self, ev: Any) -> None:
        host, address = _text(ev.msg.body.dp_desc), _text(ev.msg.body.serial_num)
        if host in self._datapaths:
            self._leave(host)
        _log.info("the switch of %s is here, tunnels to %s", host, address)
        self._addresses[host] = address
        self._datapaths[host] = ev.msg.datapath
        self._reports.arrived(host)
        self._news.ring()

    @handler.set_ev_cls(ofp_event.EventOFPPortStateChange, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _port_changed(self, ev: Any) -> None:
        self._news.ring()

    @handler.set_ev_handler(EventWired)  # type: ignore[untyped-decorator]
    def _wired(self, ev: EventWired) -> None:
        for news in self._ledger.news(ev.host, ev.world):
            self._reports.add(news)

    def _leave(self, host: str) -> None:
        del self._datapaths[host]
        self._ledger.forget(host)
        self._news.ring()

    def _switches(self) -> dict[str, Switch]:
        found = {}
        for host, datapath in list(self._datapaths.items()):
            devices = {_text(port.name): number for number, port in dict(datapath.ports).items()}
            found[host] = Switch(host, self._addresses[host], devices)
        return found

    def _follow(self) -> None:
        """Look for news, and tell them: not in the handlers' thread, so no two applications wait for each other."""
        untold = False
        reunion = time.monotonic() + _REUNION
        while self.is_active:
            untold |= self._news.heard(_LOOK)
            try:
                untold |= self._listener.changed()
            except (OSError, ValueError) as exc:
                _log.error("cannot read what Neutron told: %s", exc)
                continue
            if untold:
                datapaths = dict(self._datapaths)
                world = World(dict(self._listener.ports), self._switches())
                if not world.absent or time.monotonic() > reunion:
                    self._tell(EventWorld(world, datapaths))
                    untold = False

    def _tell(self, ev: EventWorld) -> None:
        if self.get_observers(ev, None):
            self.send_event_to_observers(ev)
            return
        for host in ev.world.switches:
            self.send_event(self.name, EventWired(host, ev.world))


def _text(value: bytes | str) -> str:
    return (value.decode() if isinstance(value, bytes) else value).rstrip("\0")
