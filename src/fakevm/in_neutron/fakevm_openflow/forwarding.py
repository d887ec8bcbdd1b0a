"""The os-ken application that forwards: it keeps the flows of every switch as they must be."""

from __future__ import annotations

import itertools
import logging
import secrets
from typing import Any

from os_ken.base import app_manager
from os_ken.controller import handler, ofp_event
from os_ken.controller.handler import MAIN_DISPATCHER
from os_ken.ofproto import ofproto_v1_3

from . import flows
from .flows import Flow
from .switchboard import EventWired, EventWorld
from .world import World

_log = logging.getLogger(__name__)


class Connection:
    """What has been sent over one connection to a switch; its flows bear its cookie."""

    def __init__(self, datapath: Any, cookie: int) -> None:
        self.datapath = datapath
        self.cookie = cookie
        self.installed: dict[tuple[Any, ...], Flow] = {}
        self.asked: dict[int, tuple[str, World]] = {}
        self.failed = False

    def bring(self, wanted: list[Flow]) -> None:
        """Send what is missing or different, and remove what is not wanted any more."""
        fresh = {flow.key: flow for flow in wanted}
        for key, flow in self.installed.items():
            if key not in fresh:
                self._send(flow, self.datapath.ofproto.OFPFC_DELETE_STRICT)
        for key, flow in fresh.items():
            if self.installed.get(key) != flow:
                self._send(flow, self.datapath.ofproto.OFPFC_ADD)
        self.installed = fresh

    def ask(self, host: str, world: World) -> None:
        """Ask the switch to say when it has done all that it was sent."""
        request = self.datapath.ofproto_parser.OFPBarrierRequest(self.datapath)
        self.datapath.set_xid(request)
        self.asked[request.xid] = (host, world)
        self.datapath.send_msg(request)

    def ask_for_old(self) -> None:
        """Ask for all flows: those of earlier connections are still there, so that traffic went on meanwhile."""
        self.datapath.send_msg(self.datapath.ofproto_parser.OFPFlowStatsRequest(self.datapath))

    def remove(self, cookie: int) -> None:
        """Remove the flows of an earlier connection."""
        ofproto, parser = self.datapath.ofproto, self.datapath.ofproto_parser
        self.datapath.send_msg(
            parser.OFPFlowMod(
                datapath=self.datapath, cookie=cookie, cookie_mask=2**64 - 1, table_id=ofproto.OFPTT_ALL,
                command=ofproto.OFPFC_DELETE, out_port=ofproto.OFPP_ANY, out_group=ofproto.OFPG_ANY,
            )
        )  # fmt: skip

    def _send(self, flow: Flow, command: int) -> None:
        ofproto, parser = self.datapath.ofproto, self.datapath.ofproto_parser
        instructions = []
        if flow.actions:
            actions = [_action(parser, action) for action in flow.actions]
            instructions.append(parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, actions))
        if flow.metadata is not None:
            instructions.append(parser.OFPInstructionWriteMetadata(flow.metadata, 2**64 - 1))
        if flow.goto is not None:
            instructions.append(parser.OFPInstructionGotoTable(flow.goto))
        self.datapath.send_msg(
            parser.OFPFlowMod(
                datapath=self.datapath, cookie=self.cookie, table_id=flow.table, command=command,
                priority=flow.priority, match=parser.OFPMatch(**dict(flow.match)), instructions=instructions,
                out_port=ofproto.OFPP_ANY, out_group=ofproto.OFPG_ANY,
            )
        )  # fmt: skip


def _action(parser: Any, action: flows.Action) -> Any:
    match action:
        case ("output", number):
            return parser.OFPActionOutput(number)
        case ("set", field, value):
            return parser.OFPActionSetField(**{field: value})
        case ("push_vlan",):
            return parser.OFPActionPushVlan()
        case ("pop_vlan",):
            return parser.OFPActionPopVlan()
    raise ValueError(f"no such action: {action}")


class Forwarding(app_manager.OSKenApp):  # type: ignore[misc]
    """Keeps networks apart and their ports together; see ``flows``."""

    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections: dict[str, Connection] = {}
        self._cookies = itertools.count(secrets.randbits(48) << 8)

    @handler.set_ev_cls(EventWorld)  # type: ignore[untyped-decorator]
    def _changed(self, ev: EventWorld) -> None:
        self._connections = {host: self._connection(host, datapath) for host, datapath in ev.datapaths.items()}
        for host, connection in self._connections.items():
            fresh = not connection.installed
            connection.bring(flows.flows(ev.world, host))
            connection.ask(host, ev.world)
            if fresh:
                connection.ask_for_old()

    @handler.set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _done(self, ev: Any) -> None:
        connection = self._of(ev.msg.datapath)
        if connection is None or ev.msg.xid not in connection.asked:
            return
        host, world = connection.asked.pop(ev.msg.xid)
        if connection.failed:
            _log.error("%s: no port is reported wired, as the switch refused a flow", host)
            return
        self.send_event("Switchboard", EventWired(host, world))

    @handler.set_ev_cls(ofp_event.EventOFPFlowStatsReply, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _old(self, ev: Any) -> None:
        connection = self._of(ev.msg.datapath)
        if connection:
            for cookie in {flow.cookie for flow in ev.msg.body} - {connection.cookie}:
                connection.remove(cookie)

    @handler.set_ev_cls(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _refused(self, ev: Any) -> None:
        _log.error(
            "datapath %s refused: type %s, code %s, %r", ev.msg.datapath.id, ev.msg.type, ev.msg.code, ev.msg.data
        )
        connection = self._of(ev.msg.datapath)
        if connection:
            connection.failed = True

    def _of(self, datapath: Any) -> Connection | None:
        return next((known for known in self._connections.values() if known.datapath is datapath), None)

    def _connection(self, host: str, datapath: Any) -> Connection:
        known = self._connections.get(host)
        return known if known and known.datapath is datapath else Connection(datapath, next(self._cookies))
