"""An os-ken application of one's own for the backend openflow: all guests of all networks are on one LAN.

So it breaks what Neutron promises: a check that two networks do not reach one another turns red.
See docs/howto/openflow-application.md.
"""

from fakevm_openflow.switchboard import EventWired, EventWorld
from os_ken.base import app_manager
from os_ken.controller.handler import set_ev_cls
from os_ken.ofproto import ofproto_v1_3


class OneLan(app_manager.OSKenApp):
    """Every frame goes to every other port; br-fakevm joins the hosts."""

    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cleared = []

    @set_ev_cls(EventWorld)
    def changed(self, event):
        """Something has changed: a switch, its ports, or what Neutron told of them."""
        for host, datapath in event.datapaths.items():
            if datapath not in self.cleared:
                # Flows outlive their controller: another application's may be there.
                self.send(datapath, command=datapath.ofproto.OFPFC_DELETE, table_id=datapath.ofproto.OFPTT_ALL)
                self.cleared.append(datapath)
            devices = event.world.switches[host].devices
            ports = [number for name, number in devices.items() if name.startswith("tap") or name == "qfofakevm"]
            for number in ports:
                outputs = [datapath.ofproto_parser.OFPActionOutput(other) for other in ports if other != number]
                self.forward(datapath, number, outputs)
            # Neutron's ports on this host become ACTIVE now. FakeVM's own application asks the switch first.
            self.send_event("Switchboard", EventWired(host, event.world))

    def forward(self, datapath, number, actions):
        parser = datapath.ofproto_parser
        apply = parser.OFPInstructionActions(datapath.ofproto.OFPIT_APPLY_ACTIONS, actions)
        self.send(datapath, match=parser.OFPMatch(in_port=number), instructions=[apply])

    def send(self, datapath, **words):
        anywhere = {"out_port": datapath.ofproto.OFPP_ANY, "out_group": datapath.ofproto.OFPG_ANY}
        datapath.send_msg(datapath.ofproto_parser.OFPFlowMod(datapath=datapath, **anywhere, **words))
