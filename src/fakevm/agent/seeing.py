"""What is seen of the guests of one host: as guests, and as the VIFs of their ports."""

from __future__ import annotations

from typing import Literal

from fakevm import names
from fakevm.errors import InvalidInput
from fakevm.model.guest import GuestSeen
from fakevm.model.interface import InterfaceSeen, LinkEnd
from fakevm.model.port import Port, Vif

from .making import Making
from .store import GuestRecord, Nic


class Seeing:
    """Looks at the guests of one host.

    :param driver_name: how VIFs say which driver made them
    """

    def __init__(self, making: Making, driver_name: str) -> None:
        self._making = making
        self._driver_name = driver_name

    def guest(self, record: GuestRecord) -> GuestSeen:
        """Look at a guest with its interfaces."""
        there, wrong = self._look(record)
        seen = []
        for nic in record.nics:
            problem = "" if wrong or record.state != "running" else self._making.nic_problem(record.guest, nic)
            means = ("", "")
            if not problem and record.state == "running":
                means = self._making.impairments.means(record.guest, nic.interface)
                problem = self._making.impairments.problem(record.guest, nic.interface)
            seen.append(_seen(nic, there.get(nic.interface.name, []), problem, means))
            # What this kernel cannot make is their devices, which tell it themselves.
            seen += (
                [_tagged(nic, tag, there) for tag in sorted(vlan.tag for vlan in nic.port.vlans)] if nic.port else []
            )
        return GuestSeen(
            id=record.guest.id,
            name=record.guest.name,
            hostname=record.guest.hostname,
            host=self._making.host,
            kind=record.guest.kind,
            namespace=record.guest.namespace,
            state=record.state,
            asleep=record.asleep,
            settings=record.guest.settings,
            interfaces=tuple(seen),
            daemons=self._making.daemons.seen(record.guest),
            problem=wrong,
        )

    def vif(self, record: GuestRecord, nic: Nic) -> Vif:
        """Look at the VIF of a port."""
        assert nic.port
        there, wrong = self._look(record)
        return self._vif(record, nic, nic.port, there.get(nic.interface.name, []), wrong)

    def vifs(self, record: GuestRecord) -> list[Vif]:
        """Look at the VIFs of a guest's ports."""
        if not record.ports:
            return []
        there, wrong = self._look(record)
        return [
            self._vif(record, nic, nic.port, there.get(nic.interface.name, []), wrong)
            for nic in record.nics
            if nic.port
        ]

    def made(self, record: GuestRecord, nic: Nic) -> Vif:
        """Tell of a VIF that was made just now: nobody need look."""
        assert nic.port
        return self._told(record, nic, nic.port)

    def _look(self, record: GuestRecord) -> tuple[dict[str, list[str]], str]:
        """Give the addresses of a guest's devices, and what is wrong with the guest itself."""
        try:
            kind = self._making.kind_of(record.guest)
        except InvalidInput as exc:
            # Of one guest; the others are seen all the same.
            return {}, exc.what
        gone = kind.problem(record.guest) if record.state == "running" else ""
        return kind.addresses(record.guest), record.problem or gone

    def _vif(self, record: GuestRecord, nic: Nic, port: Port, addresses: list[str], wrong: str) -> Vif:
        if not wrong and record.state == "running":
            wrong = self._making.nic_problem(record.guest, nic)
        return self._told(record, nic, port).model_copy(
            update={
                "addresses": tuple(addresses),
                "problem": wrong,
                "taken": self._making.attachments.driver.taken(port) if record.state != "stopped" else None,
            }
        )

    def _told(self, record: GuestRecord, nic: Nic, port: Port) -> Vif:
        return Vif(
            port_id=port.id,
            name=port.name,
            host=self._making.host,
            instance_id=record.guest.id,
            network_id=port.network_id,
            mac_address=port.mac_address,
            mtu=port.mtu,
            driver=self._driver_name,
            namespace=record.guest.namespace,
            device=nic.interface.name,
            state=_state(record, nic),
            asleep=record.asleep,
            lacks=nic.lacks,
            problem=record.problem,
        )


def _state(record: GuestRecord, nic: Nic) -> Literal["plugging", "plugged", "unplugging", "stopped"]:
    if record.state == "running":
        return nic.state
    return "stopped" if record.state == "stopped" else "unplugging" if record.state == "ending" else "plugging"


def _seen(nic: Nic, addresses: list[str], problem: str, means: tuple[str, str]) -> InterfaceSeen:
    interface = nic.interface
    attachment = interface.attachment
    kind: Literal["port", "link", "bridge"]
    if isinstance(attachment, Port):
        kind, attached = "port", attachment.id
    elif isinstance(attachment, LinkEnd):
        kind, attached = "link", attachment.link
    else:
        kind, attached = "bridge", attachment.bridge
    return InterfaceSeen(
        name=interface.name,
        mac_address=interface.mac_address,
        mtu=interface.mtu,
        kind=kind,
        attached=attached,
        addresses=tuple(addresses),
        problem=problem,
        addressing=interface.addressing,
        wanted=None if isinstance(attachment, Port) else interface,
        sent=interface.sent,
        received=interface.received,
        means=means,
        nic=interface.nic,
    )


def _tagged(nic: Nic, tag: int, there: dict[str, list[str]]) -> InterfaceSeen:
    """Tell of the device of a network that comes tagged; where the kernel makes none, it is in the record alone."""
    assert nic.port
    vlan = next(each for each in nic.port.vlans if each.tag == tag)
    name = names.vlan(tag)
    return InterfaceSeen(
        name=name,
        mac_address=vlan.mac_address,
        mtu=nic.interface.mtu,
        kind="vlan",
        attached=f"{nic.interface.name}, VLAN {tag}",
        addresses=tuple(there.get(name, ())),
        lacks="" if name in there else nic.lacks,
    )
