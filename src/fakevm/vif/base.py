"""What a VIF driver must do; drivers are found by entry point (group ``fakevm.agent_plugins``).

A plug goes: ``prepare``, then the guest and its device are made, then ``connect``. So a driver whose bridge
must be there before the guest's device, and one that wires the device itself, both fit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from fakevm import errors
from fakevm.model.nic import DEFAULT_NIC

if TYPE_CHECKING:
    from fakevm.guest.base import Uplink
    from fakevm.model.nic import NicKind
    from fakevm.model.port import Port


class VifDriver(ABC):
    """Wires the host's ends of guests' devices; one per agent, called from several threads.

    :param conf: the agent's oslo.config, in which a driver may register options of its own
    """

    #: whether it wires guests to an Open vSwitch: an emulated host without a lab (enable_multi_node_emulate) has one
    uses_open_vswitch: bool = True
    #: the ``binding:vif_type`` values that the driver can plug
    vif_types: tuple[str, ...]
    #: what guests' interfaces may be made of
    nics: tuple[NicKind, ...] = (DEFAULT_NIC,)

    def wait_ready(self, timeout: float) -> None:  # noqa: B027 - only some have something to wait for
        """Wait for what guests are wired to here, ``timeout`` seconds at most: before that no port can be judged.

        :raises FakevmError: it is not there
        """

    @abstractmethod
    def prepare(self, port: Port) -> Uplink:
        """Make what must be there before the guest's device, and say where its host end goes.

        :raises FakevmError: it could not be made; call unplug then
        """

    @abstractmethod
    def connect(self, port: Port) -> None:
        """Wire the host end, which is there now, and return when frames can pass.

        :raises FakevmError: it could not be wired; call unplug then
        """

    @abstractmethod
    def unplug(self, port: Port) -> None:
        """Undo ``prepare`` and ``connect``, also half-done ones; the guest is gone already.

        :raises FakevmError: something is left
        """

    @abstractmethod
    def problem(self, port: Port) -> str:
        """Say what is wrong with the wiring; empty when it is as it was made."""

    def made_anew(self, port: Port) -> bool:
        """Tell whether the switch, which started anew, has made the guest's own device another time: see Kind.replace.

        ``prepare`` gives that one, then.
        """
        return False

    def taken(self, port: Port) -> bool | None:
        """Tell whether Neutron's own side has wired it, too; None when that cannot be seen from here."""
        return None

    def renew(self, port: Port) -> bool:
        """Let Neutron's side report once more that it has wired the port, without a packet lost; False: cannot."""
        return False

    def rewire(self, port: Port, seconds: float) -> None:
        """Let Neutron's side lose sight of the port for ``seconds``, and find it again.

        :raises PlugFailed: this driver cannot, or it has not found it again
        """
        raise errors.PlugFailed(f"cannot rewire {port.words}: this agent's plugin does not know how")

    def check(self, port: Port) -> None:
        """Refuse a port that this driver cannot plug.

        :raises PlugFailed: names the kinds that it can
        """
        if port.binding.vif_type in self.vif_types:
            if (port.nic or DEFAULT_NIC) not in self.nics:
                raise errors.PlugFailed(
                    f"cannot plug {port.words}: this host's backend makes no interface that is {port.nic}, but"
                    f" {' and '.join(self.nics)}",
                    hint="Leave it out: a guest's interface is a veth then.",
                )
            return
        hint = {
            "unbound": "The port has no host: bind it first (create-port and plug do).",
            "binding_failed": "Neutron could not bind the port: see its log. Is the host's agent alive?",
        }.get(port.binding.vif_type, "Is fakevm_agent_plugin the one for this Neutron's mechanism driver?")
        raise errors.PlugFailed(
            f"cannot plug {port.words}: its vif_type is '{port.binding.vif_type}',"
            f" this agent knows {', '.join(self.vif_types)}",
            hint=hint,
        )
