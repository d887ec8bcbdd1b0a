"""What befalls the frames of a lab file's ports and links."""

from __future__ import annotations

from fakevm.model.impairment import Conditions
from fakevm.model.labfile import LinkFile, PortFile
from fakevm.model.labfile.impairment import conditions


def of_port(port: PortFile) -> tuple[Conditions, Conditions]:
    """Give what befalls the frames that a port's interface sends, and those that it receives."""
    return conditions(port.impair, port.shape)


def of_link(link: LinkFile, guest: str) -> Conditions:
    """Give what a link says of the frames that a guest sends."""
    return Conditions(impair=link.impair.sent_by(guest), shape=link.shape.sent_by(guest))
