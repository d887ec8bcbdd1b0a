"""Whose agents are alive, in Neutron's eyes and in the lab's."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fakevm.control.agents import Agents
from fakevm.errors import AgentDown


class Neutron:
    """Neutron with three agents, of which it believes one to be dead."""

    def agents(self, **_: Any) -> list[dict[str, Any]]:
        """List them."""
        rows = {"host1": True, "host2": True, "host3": False}
        return [{"host": host, "alive": alive, "heartbeat_timestamp": "noon"} for host, alive in rows.items()]


def test_a_host_that_is_away_is_not_asked_whatever_neutron_believes() -> None:
    away: dict[str, str] = {}
    agents = Agents(cast(Any, None), cast(Any, Neutron()), lambda: dict(away))
    assert agents.alive() == ["host1", "host2"]
    away["host2"] = "the host is cut off"
    agents.known(refresh=True)
    assert agents.alive() == ["host1"]
    assert agents.why_down("host2") == "the host is cut off"
    assert agents.why_down("host3") == "agent down since noon UTC"
    with pytest.raises(AgentDown, match="agent on host2 cannot be asked: the host is cut off"):
        agents.require("host1", "host2")
