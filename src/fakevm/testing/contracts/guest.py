"""What every kind of guest must do, in namespaces where a test may do as it likes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakevm import names
from fakevm.agent import plugin
from fakevm.agent.attachments import interface_of
from fakevm.errors import PlugFailed
from fakevm.guest.base import Kind, Uplink, Wired
from fakevm.linux import link
from fakevm.linux import namespace as netns
from fakevm.model.guest import Guest, GuestSettings
from fakevm.model.interface import Interface
from fakevm.model.port import Binding, FixedIp, Port
from fakevm.waiting import remains

# Seconds that a guest may take to get, or to do, something.
_PATIENCE = 30.0
# Seconds in which a guest that is not silent would have said something: IPv6 speaks by itself, and it is asked to.
_LISTENING = 1.0


def interface(number: int) -> Interface:
    """Describe an interface on a port with the address 10.92.0.NUMBER."""
    fixed = FixedIp(address=f"10.92.0.{number}", prefix_length=24, subnet_id="s", enable_dhcp=False)
    port = Port(
        id=f"{number:08x}-0000-4000-8000-000000000000",
        mac_address=f"fa:16:3e:92:00:{number:02x}",
        mtu=1400,
        network_id="n",
        instance_id="contract",
        fixed_ips=(fixed,),
        binding=Binding(host="contract", vif_type="none"),
        device=f"eth{number}",
    )
    return interface_of(port, number - 1)


class GuestContract:
    """A kind of guest, which ``name`` names as its entry point does. Its tests change the namespaces they run in."""

    name: str

    @pytest.fixture
    def kind(self, tmp_path: Path) -> Iterator[Kind]:
        """Make the kind, as the agent does."""
        made: Kind = plugin.find(self.name, plugin.GUEST_KINDS)("contract", tmp_path)
        yield made
        made.close()

    @pytest.fixture
    def guest(self, kind: Kind) -> Iterator[Guest]:
        """Describe a guest; whatever is left of it after the test is removed."""
        described = Guest(
            id="contract", name="contract", hostname="contract", namespace="fakevm-contract", kind=self.name
        )
        yield described
        kind.remove(described, [interface(1), interface(2)])
        kind.forget(described)

    def test_it_is_made_with_its_interfaces_and_removed_without_a_trace(self, kind: Kind, guest: Guest) -> None:
        """With their names, MAC addresses and MTUs; their other ends are in the host."""
        for _ in range(2):
            kind.make(guest, [wired(1), wired(2)])
            assert not kind.problem(guest)
            for number in (1, 2):
                shown = run(kind, guest, f"ip -o link show eth{number}")
                assert f"fa:16:3e:92:00:{number:02x}" in shown
                assert "mtu 1400" in shown
                assert "LOWER_UP" in shown
                assert link.exists(end(number))
                assert not kind.device_problem(guest, interface(number))
        for _ in range(2):
            kind.remove(guest, [interface(1), interface(2)])
        assert kind.problem(guest)
        assert not netns.exists(guest.namespace)
        assert not [number for number in (1, 2) if link.exists(end(number))]

    def test_it_may_have_no_interface(self, kind: Kind, guest: Guest) -> None:
        """Commands run in it all the same."""
        kind.make(guest, [])
        assert run(kind, guest, "echo there") == "there\n"
        assert "LOOPBACK" in run(kind, guest, "ip -o link")
        assert run(kind, guest, "no-such-command", status=127) == ""

    def test_its_kernel_has_the_settings_that_were_asked_for(self, kind: Kind, guest: Guest) -> None:
        """Its interfaces have the default ones from their start; a setting that there is not is told."""
        wanted = {"net.ipv4.ip_forward": "1", "net.ipv4.conf.default.rp_filter": "2"}
        kind.make(guest.model_copy(update={"settings": GuestSettings(sysctl=wanted)}), [wired(1)])
        assert run(kind, guest, "cat /proc/sys/net/ipv4/ip_forward") == "1\n"
        assert run(kind, guest, "cat /proc/sys/net/ipv4/conf/eth1/rp_filter") == "2\n"
        kind.remove(guest, [interface(1)])
        unknown = GuestSettings(sysctl={"net.ipv4.no_such_thing": "1"})
        with pytest.raises(PlugFailed, match="no_such_thing"):
            kind.make(guest.model_copy(update={"settings": unknown}), [])

    def test_interfaces_come_and_go_while_it_runs(self, kind: Kind, guest: Guest) -> None:
        """What runs in it goes on, and its other interfaces stay as they are."""
        kind.make(guest, [wired(1)])
        # A machine that has just booted may take a moment to see that its card has a carrier.
        waited(lambda: "NO-CARRIER" not in run(kind, guest, "ip -o link show eth1"), "eth1 has a carrier")
        with subprocess.Popen(kind.command(guest, [interface(1)], ["sleep", "100"])) as running:
            before = run(kind, guest, "ip -o link show eth1")
            kind.attach(guest, wired(2))
            assert "fa:16:3e:92:00:02" in run(kind, guest, "ip -o link show eth2")
            for _ in range(2):
                kind.detach(guest, interface(2))
            assert not link.exists(end(2))
            assert run(kind, guest, "ip -o link show eth1") == before
            assert running.poll() is None
            kind.remove(guest, [interface(1)])
            assert running.wait(_PATIENCE)

    def test_it_gets_its_addresses(self, kind: Kind, guest: Guest) -> None:
        """Those of each interface, and tells them."""
        kind.make(guest, [wired(1), wired(2)])
        for number in (1, 2):
            kind.address(guest, interface(number), "static", _PATIENCE)
        assert kind.addresses(guest)["eth1"] == ["10.92.0.1/24"]
        assert kind.addresses(guest)["eth2"] == ["10.92.0.2/24"]

    def test_asleep_it_sends_nothing(self, kind: Kind, guest: Guest) -> None:
        """Made asleep or silenced; awake it announces itself on each interface."""
        kind.make(guest, [wired(1), wired(2)], asleep=True)
        run(kind, guest, "ip address add 10.92.0.1/24 dev eth1")
        assert spoken(kind, guest, "10.92.0.9") == [0, 0]
        both = [interface(1), interface(2)]
        kind.wake(guest, both, kind.state(guest, both), moved=True)
        waited(lambda: all(count > 0 for count in received()), "it announces itself on each interface")
        kind.silence(guest, both)
        before = received()
        assert spoken(kind, guest, "10.92.0.9") == before

    def test_its_state_moves(self, kind: Kind, guest: Guest) -> None:
        """Addresses, routes and neighbours of each device, name servers: another guest that has them is the same."""
        both = [interface(1), interface(2)]
        kind.make(guest, [wired(1), wired(2)])
        for number in (1, 2):
            kind.address(guest, interface(number), "static", _PATIENCE)
        run(kind, guest, "ip route add 10.93.0.0/24 via 10.92.0.7 dev eth2")
        run(kind, guest, "ip neighbour replace 10.92.0.7 lladdr fa:16:3e:92:00:07 dev eth2 nud permanent")
        state, had = kind.state(guest, both), kept(kind, guest)
        kind.remove(guest, both)
        kind.make(guest, [wired(1), wired(2)], asleep=True)
        kind.prime(guest, both, state)
        kind.wake(guest, both, state, moved=True)
        assert kept(kind, guest) == had


def end(number: int) -> str:
    """Name the other end of an interface's device, which is in the host."""
    port = interface(number).port
    assert port
    return names.tap(port.id)


def wired(number: int) -> Wired:
    """Wire an interface to nothing."""
    return Wired(interface(number), Uplink(end(number)))


def run(kind: Kind, guest: Guest, line: str, *, status: int = 0) -> str:
    """Run a command in a guest; gives what it said."""
    words = kind.command(guest, [interface(1)], line.split())
    done = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout


def received() -> list[int]:
    """Count the frames that came out of a guest, by its interfaces."""
    counts = (Path(f"/sys/class/net/{end(number)}/statistics/rx_packets") for number in (1, 2))
    return [int(count.read_text()) for count in counts]


def spoken(kind: Kind, guest: Guest, address: str) -> list[int]:
    """Count the frames again after a guest had something to say."""
    words = kind.command(guest, [interface(1)], ["ping", "-c1", "-W1", address])
    subprocess.run(words, capture_output=True, timeout=_PATIENCE, check=False)
    time.sleep(_LISTENING)
    return received()


def kept(kind: Kind, guest: Guest) -> list[list[str]]:
    """Give what a guest has: its addresses, routes and lasting neighbours."""
    shown = ("ip -4 -o address", "ip -4 route", "ip neighbour show nud permanent")
    return [sorted(run(kind, guest, line).split("\n")) for line in shown]


def waited(true: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    assert not remains(lambda: "" if true() else what, _PATIENCE, pause=0.05), what
