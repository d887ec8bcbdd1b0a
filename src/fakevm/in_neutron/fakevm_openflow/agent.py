"""What Neutron calls a switch that obeys the controller: an agent of its host."""

from __future__ import annotations

AGENT_TYPE = "OpenFlow switch"
AGENT_BINARY = "fakevm-openflow-controller"
