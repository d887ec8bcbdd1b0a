"""Names of ports in a lab file: what Neutron is told, what that needs, what is refused."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import MagicMock

import pytest

from fakevm.backend import base as backends
from fakevm.control.attaching import _attach
from fakevm.control.binding import bind, hostname, release
from fakevm.control.wiring import Wish
from fakevm.errors import InvalidInput, PlugFailed
from fakevm.lab import reading
from fakevm.lab.apply.difference import difference
from fakevm.lab.features import need
from fakevm.lab.planning import completed, make_plan
from fakevm.lab.problem import InvalidFile
from fakevm.lab.services import loading
from fakevm.lab.topology.description import resources
from fakevm.model.guest import GuestSeen
from fakevm.model.labfile import LabFile
from fakevm.model.plan import LabPlan
from fakevm.model.resource import Ref

LAB = """\
hosts: {a: {roles: [compute, dhcp]}}
networks: {n: {subnets: {s: {cidr: 10.0.0.0/24}}}}
guests: {vm1: {ports: [{network: n, dns_name: WWW}, n]}, vm2: {ports: [n]}}
checks: {ask: {kind: dns, from: vm2, name: www.lab.test}, other: {kind: dns, from: vm2, name: host-10-0-0-5.lab.test}}
"""
PLAIN = LAB.replace(", dns_name: WWW", "")


def read(text: str) -> LabFile:
    return reading.parse(text, "file")


def plan(text: str, backend: str = "ovn") -> LabPlan:
    lab = completed(read(text), backends.load(backend))
    return make_plan(lab, Path(), dict.fromkeys([lab.version()], Path()), kernel_datapath=False)


def names(text: str) -> dict[str, object]:
    found = {r.ref: r.attributes.get("dns_name") for r in resources(read(text))}
    return {ref.name: name for ref, name in found.items() if ref.kind == "port"}


def test_ports_are_called_as_their_guest_or_as_the_file_says() -> None:
    assert names(LAB) == {"vm1": "www", "vm1-1": "vm1", "vm2": "vm2"}
    assert names(PLAIN) == dict.fromkeys(("vm1", "vm1-1", "vm2"))
    assert names(PLAIN + "services: [dns]\n") == {"vm1": "vm1", "vm1-1": "vm1", "vm2": "vm2"}


def test_a_name_or_a_domain_needs_the_service() -> None:
    domain = PLAIN.replace("n: {", "n: {dns_domain: Lab.Example, ", 1)
    (network,) = (r for r in resources(read(domain)) if r.ref == Ref("network", "n"))
    assert network.attributes["dns_domain"] == "lab.example."
    for text in (LAB, domain, PLAIN + "services: [dns]\n"):
        assert [one.name for one in loading.of(read(text))] == ["dns"]
    assert loading.of(read(PLAIN)) == ()


def test_apply_changes_names_in_place_but_adds_no_service() -> None:
    old, new = read(LAB), read(LAB.replace("WWW", "web"))
    (step,) = difference(old, new, {"vm1": "a", "vm2": "a"}).steps()
    assert (step.action, step.kind, step.name) == ("change", "port", "vm1")
    with pytest.raises(InvalidInput, match=r"services \(dns\)"):
        difference(read(PLAIN), new, {})
    # What a lab has it may keep.
    assert list(difference(read(PLAIN + "services: [dns]\n"), read(LAB + "services: [dns]\n"), {}).changed)


def test_guests_of_ovn_are_never_told_of_the_machines_name_servers() -> None:
    ovn = backends.load("ovn")
    named, plain = (ovn.ml2(plan(text))["ovn"] for text in (LAB, PLAIN))
    assert (named["dns_servers"], named["ovn_metadata_enabled"]) == ("169.254.169.254,::", True)
    assert (plain["dns_servers"], plain["ovn_metadata_enabled"]) == ("0.0.0.0,::", False)


def test_names_of_addresses_alone_are_a_feature_that_ovn_lacks() -> None:
    lab, plain = read(LAB), read(PLAIN)
    assert need.of_check(lab, lab.checks["ask"]) == {"dhcp"}
    assert need.of_check(lab, lab.checks["other"]) == need.of_check(plain, plain.checks["ask"]) == {"dhcp", "dns"}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("dns_name: a.b", "expected a name of up to 63 letters, digits or '-', such as web"),
        ("dns_name: -a", "expected a name"),
        ("dns_name: ''", "expected a name"),
    ],
)
def test_names_that_neutron_refuses_are_told_with_their_line(written: str, said: str) -> None:
    with pytest.raises(InvalidFile) as refused:
        read(LAB.replace("dns_name: WWW", written))
    (problem,) = refused.value.problems
    assert (problem.line, problem.path) == (3, "guests.vm1.ports.0.dns_name")
    assert problem.message.startswith(said)


@pytest.mark.parametrize("domain", ["a..b", "10.0.0.1", ".", f"{'a' * 64}.test", ".".join(["abcdefgh"] * 24)])
def test_domains_that_neutron_refuses_are_told(domain: str) -> None:
    with pytest.raises(InvalidFile, match=r"expected a domain such as lab.example"):
        read(PLAIN.replace("n: {", f"n: {{dns_domain: '{domain}', ", 1))


class Told:
    """A Neutron that remembers what it is told of a port."""

    def __init__(self, **port: object) -> None:
        self.seen = {"id": "p", "name": "", "device_id": "VM_1", "device_owner": "", "binding:vif_type": "ovs", **port}
        self.told: dict[str, object] = {}

    def port(self, _id: str) -> dict[str, object]:
        return self.seen

    def update_port(self, _id: str, _what: str, **changes: object) -> dict[str, object]:
        self.told = changes
        return self.seen


@pytest.mark.parametrize(("port", "named"), [({"dns_name": ""}, "vm-1"), ({"dns_name": "www"}, None), ({}, None)])
def test_binding_names_a_port_where_neutron_has_names(port: dict[str, object], named: str | None) -> None:
    neutron = Told(**port)
    bind(neutron, neutron.seen, "a")  # type: ignore[arg-type]
    assert neutron.told.get("dns_name") == named


@pytest.mark.parametrize(
    ("words", "name"), [("Web_1.", "web-1"), ("--", "guest"), ("a" * 70, "a" * 63), ("a" * 62 + "-bc", "a" * 62)]
)
def test_what_guests_are_called_is_a_name_that_neutron_takes(words: str, name: str) -> None:
    assert hostname(words) == name


def test_a_port_that_is_let_go_loses_its_name() -> None:
    neutron = Told(dns_name="vm-1")
    release(neutron, "p")  # type: ignore[arg-type]
    assert neutron.told["dns_name"] == ""
    neutron = Told()
    release(neutron, "p")  # type: ignore[arg-type]
    assert "dns_name" not in neutron.told


@pytest.mark.parametrize(("port", "again"), [({"dns_name": ""}, {"dns_name": ""}), ({}, {})])
def test_a_port_that_could_not_be_attached_is_called_as_before(port: dict[str, object], again: dict[str, str]) -> None:
    neutron, wiring = Told(**port, **{"binding:host_id": ""}), MagicMock()
    wiring.neutron, wiring.wire.side_effect = neutron, PlugFailed("no")
    guest = GuestSeen(id="VM_1", host="a", kind="namespace", namespace="fakevm-a-p", state="running")
    with pytest.raises(PlugFailed):
        _attach(wiring, neutron.seen, guest, Wish(host="a"))
    undo = wiring.job.undo.add.call_args.args[1]
    undo()
    assert neutron.told == {"device_id": "VM_1", "device_owner": "", "binding_host_id": None, **again}
