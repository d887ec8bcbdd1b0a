"""What two resources exchange in one apply: neither can take what the other one still has."""

from __future__ import annotations

import pytest

from fakevm.lab import reading
from fakevm.lab.apply.difference import difference
from fakevm.model.labfile import LabFile

FILE = """\
physical_networks: {external: {}}
networks:
  public: {type: flat, physical_network: external, external: true, subnets: {public4: {cidr: 203.0.113.0/24}}}
  private: {subnets: {private4: {cidr: 10.0.0.0/24}}}
routers: {r: {interfaces: [private4], external_gateway: public}}
guests: {a: {ports: [private]}, b: {ports: [private]}, c: {ports: [private]}}
floating_ips:
  x: {network: public, guest: a}
  y: {network: public, guest: b}
  shared:
    network: public
    port_forwardings:
      - {ports: 22, guest: c, to_ports: 1022}
      - {ports: 23, guest: c, to_ports: 1023}
"""
ONE, OTHER = "shared: tcp 22", "shared: tcp 23"


def lab(*changes: tuple[str, str]) -> LabFile:
    text = FILE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return reading.parse(text, "file")


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        # Both take what the other one has.
        (
            [("ports: 22, guest: c, to_ports: 1022", "ports: 22, guest: c, to_ports: 1O23"),
             ("ports: 23, guest: c, to_ports: 1023", "ports: 23, guest: c, to_ports: 1022"), ("1O23", "1023")],
            {("replace", ONE), ("replace", OTHER)},
        ),
        # One takes what another gives up.
        (
            [("ports: 23, guest: c, to_ports: 1023", "ports: 23, guest: c, to_ports: 9"),
             ("ports: 22, guest: c, to_ports: 1022", "ports: 22, guest: c, to_ports: 1023")],
            {("replace", ONE), ("replace", OTHER)},
        ),
        # A new one takes it.
        (
            [("ports: 23, guest: c, to_ports: 1023}",
              "ports: 23, guest: c, to_ports: 9}\n      - {ports: 24, guest: c, to_ports: 1023}")],
            {("replace", OTHER), ("make", "shared: tcp 24")},
        ),
        # Nobody takes anything: it is changed where it is.
        ([("to_ports: 1022", "to_ports: 9")], {("change", ONE)}),
        ([("guest: a}", "guest: B}"), ("guest: b}", "guest: a}"), ("guest: B}", "guest: b}")],
         {("replace", "x"), ("replace", "y")}),
    ],
)  # fmt: skip
def test_what_is_exchanged_is_made_anew(changes: list[tuple[str, str]], wanted: set[tuple[str, str]]) -> None:
    todo = difference(lab(), lab(*changes), dict.fromkeys("abc", "compute1"))
    assert {(step.action, step.name) for step in todo.steps()} == wanted
    assert not todo.stopped
