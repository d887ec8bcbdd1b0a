"""The RPC contract: both sides are what its annotations say, and errors cross intact."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import oslo_messaging
import pytest

from fakevm import errors
from fakevm.agent.server import AgentEndpoint, Manages
from fakevm.control.agents import Agents
from fakevm.control.broker import Broker
from fakevm.model.guest import Guest, GuestSeen, GuestState, InterfaceState
from fakevm.model.interface import Interface, InterfaceSeen, LinkEnd
from fakevm.model.port import Binding, Port, Vif
from fakevm.rpc import codec, contract
from fakevm.rpc.contract import AgentApi, ExecAnswer
from fakevm.rpc.verb import Verb, names, remote, verb

PORT = Port(
    id="p", mac_address="fa:16:3e:00:00:03", mtu=1450, network_id="n", instance_id="i",
    binding=Binding(host="h", vif_type="ovs"),
)  # fmt: skip
VIF = Vif(
    port_id="p", host="h", instance_id="i", network_id="n", mac_address="m", mtu=1450, driver="ovs", namespace="s",
    device="d", state="plugged", addresses=("10.0.0.3/24",),
)  # fmt: skip
STATE = GuestState(interfaces={"eth1": InterfaceState(mtu=1400)}, resolv_conf="nameserver 10.0.0.2\n")
END = Interface(name="eth1", mac_address="m", mtu=1500, attachment=LinkEnd(link="core", end="b"))
GUEST = GuestSeen(
    id="g", host="h", kind="namespace", namespace="s", state="running",
    interfaces=(InterfaceSeen(name="eth1", mac_address="m", mtu=1500, kind="link", attached="core"),),
)  # fmt: skip


class Told:
    """An agent that notes what it is told, and answers what it is to answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.told: tuple[str, dict[str, Any]] | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def carry_out(**arguments: Any) -> Any:
            self.told = (name, arguments)
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return carry_out


def both(agent: Told) -> AgentApi:
    """Put the two sides together, with JSON in between."""
    endpoint = AgentEndpoint(cast(Manages, agent), cast(contract.CommandVerbs, agent))

    def send(called: Verb, arguments: dict[str, Any]) -> Any:
        told = json.loads(json.dumps(arguments))
        return codec.unpack(json.loads(json.dumps(getattr(endpoint, called.name)({}, **told))))

    return remote(send)


@pytest.mark.parametrize(
    ("call", "answer", "arguments"),
    [
        (lambda api: api.plug(PORT), VIF, {"port": PORT, "asleep": False}),
        (lambda api: api.plug(PORT, asleep=True), VIF, {"port": PORT, "asleep": True}),
        (lambda api: api.pause("g"), STATE, {"guest_id": "g"}),
        (lambda api: api.resume("g"), GUEST, {"guest_id": "g", "state": None}),
        (lambda api: api.resume("g", STATE), GUEST, {"guest_id": "g", "state": STATE}),
        (lambda api: api.attach("g", END), GUEST, {"guest_id": "g", "interface": END}),
        (lambda api: api.start(Guest(id="g")), GUEST, {"guest": Guest(id="g"), "asleep": False, "interfaces": ()}),
        (lambda api: api.rewire("p", 1.5), None, {"port_id": "p", "seconds": 1.5}),
        (lambda api: api.detach("g", "eth0"), True, {"guest_id": "g", "name": "eth0"}),
        (lambda api: api.list_vifs(), [VIF], {}),
        (lambda api: api.exec_start("g", ["true"], None), "x", {"guest_id": "g", "command": ["true"], "timeout": None}),
        (lambda api: api.exec_io("x", "", True, 0.3), ExecAnswer(stdout="", stderr="", exit_status=None),
         {"exec_id": "x", "stdin": "", "close_stdin": True, "wait": 0.3}),
    ],
)  # fmt: skip
def test_values_cross_as_they_are(call: Callable[[AgentApi], Any], answer: Any, arguments: dict[str, Any]) -> None:
    agent = Told(answer)
    assert call(both(agent)) == answer
    assert agent.told is not None
    assert agent.told[1] == arguments


def test_every_method_of_the_contract_is_a_verb_that_says_how_long_it_may_take() -> None:
    methods = [name for name in dir(AgentApi) if not name.startswith("_")]
    assert names(AgentApi) == methods
    parts = (contract.GuestVerbs, contract.PortVerbs, contract.CommandVerbs)
    assert {name for part in parts for name in names(part)} == set(methods)
    assert verb("show").seconds({"port_id": "p"}) == contract.LOOK
    assert verb("address").seconds({"timeout": 300.0}) == contract.LOOK + 300


@pytest.mark.parametrize(
    ("problem", "arrives", "said"),
    [
        (errors.PlugFailed("so"), errors.PlugFailed, "so"),
        (OSError("so"), errors.FakevmError, "so"),
        (TypeError("so"), errors.InvalidInput, "does not understand what show is to do"),
    ],
)
def test_every_failure_crosses(problem: Exception, arrives: type[errors.FakevmError], said: str) -> None:
    with pytest.raises(arrives, match=said):
        both(Told(problem)).show("p")


@pytest.mark.parametrize("arguments", [{}, {"port_id": "p", "new": 1}, {"port_id": ["p"]}])
def test_arguments_of_another_version_are_refused(arguments: dict[str, Any]) -> None:
    def show(**arguments: str) -> Vif:
        return VIF.model_copy(update={"port_id": arguments["port_id"]})

    def strict(port_id: str) -> Vif:
        return show(port_id=port_id)

    agent = cast(Any, SimpleNamespace(show=strict))
    with pytest.raises(errors.InvalidInput, match="does not understand what show is to do"):
        codec.unpack(AgentEndpoint(agent, agent).show({}, **arguments))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("theirs", "lab", "said", "hint"),
    [
        (
            {"rpc_version": "0.9", "version": "0.0.9"},
            None,
            "speaks version 0.9 of the RPC, of FakeVM 0.0.9",
            "FakeVM on h1",
        ),
        ({"version": "0.0.9"}, None, "speaks an older version of the RPC", "FakeVM on h1"),
        ({"rpc_version": "99.0", "version": "9"}, None, "speaks version 99.0", "this command's FakeVM"),
        ({"version": "0.0.9"}, "a lab", "speaks an older version of the RPC", "make it anew"),
    ],
)
def test_versions_that_differ_are_both_named_with_the_one_to_upgrade(
    theirs: dict[str, str], lab: str | None, said: str, hint: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise oslo_messaging.RemoteError("UnsupportedVersion", "no")

    client = SimpleNamespace(prepare=lambda **_: SimpleNamespace(call=refuse))
    neutron = SimpleNamespace(agents=lambda **_: [{"host": "h1", "alive": True, "configurations": theirs}])
    agents = Agents(cast(Any, SimpleNamespace(lab=lab)), cast(Any, neutron))
    broker = object.__new__(Broker)
    broker._client = cast(Any, client)
    agents._connected = lambda: broker  # type: ignore[method-assign]
    with pytest.raises(errors.FakevmError, match=said) as raised:
        agents.on("h1").list_vifs()
    assert f"this command speaks version {contract.VERSION}" in raised.value.what
    assert hint in str(raised.value.hint)
