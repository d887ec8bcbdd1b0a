"""The contract of kinds of guests, of virtual machines; and what they alone do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from fakevm.errors import PlugFailed
from fakevm.guest.base import Kind
from fakevm.linux import link
from fakevm.linux import namespace as netns
from fakevm.model.guest import Guest, GuestSettings, GuestState
from fakevm.testing.contracts import GuestContract
from fakevm.testing.contracts.guest import end, interface, received, run, waited, wired
from fakevm.vm import jail

# Each boots machines.
pytestmark = pytest.mark.slow
# Seconds that a machine may take to boot, emulated, on a busy one.
BOOTING = 120.0


class TestVm(GuestContract):
    """What differs from other kinds: its settings and its state are in its memory."""

    name = "vm"

    def test_its_kernel_has_the_settings_that_were_asked_for(self, kind: Kind, guest: Guest) -> None:
        wanted = {"net.ipv4.ip_forward": "1", "net.ipv4.conf.default.rp_filter": "2"}
        kind.make(guest.model_copy(update={"settings": GuestSettings(sysctl=wanted)}), [wired(1)])
        assert run(kind, guest, "cat /proc/sys/net/ipv4/ip_forward") == "1\n"
        assert run(kind, guest, "cat /proc/sys/net/ipv4/conf/eth1/rp_filter") == "2\n"

    def test_asleep_it_sends_nothing(self, kind: Kind, guest: Guest) -> None:
        """Silenced it stands still; awake it announces itself."""
        kind.make(guest, [wired(1), wired(2)])
        both = [interface(1), interface(2)]
        run(kind, guest, "true")
        kind.silence(guest, both)
        before = received()
        assert before == received()
        kind.wake(guest, both, GuestState(), moved=False)
        waited(lambda: all(now > old for now, old in zip(received(), before, strict=True)), "it announces itself")
        assert run(kind, guest, "echo there") == "there\n"

    def test_its_state_moves(self, kind: Kind, guest: Guest) -> None:
        """One that waits for another's memory in vain begins anew."""
        kind.make(guest, [wired(1)], asleep=True)
        kind.attach(guest, wired(2), asleep=True)
        assert received() == [0, 0]
        kind.wake(guest, [interface(1), interface(2)], GuestState(), moved=True)
        assert "fa:16:3e:92:00:02" in run(kind, guest, "ip -o link show eth2")

    def test_its_taps_are_as_libvirts(self, kind: Kind, guest: Guest) -> None:
        kind.make(guest, [wired(1)])
        shown = subprocess.run(["ip", "-d", "link", "show", end(1)], capture_output=True, text=True, check=True).stdout
        assert "fe:16:3e:92:00:01" in shown
        assert "tun type tap" in shown

    def test_one_that_ends_tells_its_last_words(self, kind: Kind, guest: Guest) -> None:
        kind.make(guest, [wired(1)])
        run(kind, guest, "sh -c", status=2)
        words = kind.command(guest, [], ["poweroff", "-f"])
        subprocess.run(words, capture_output=True, timeout=BOOTING, check=False)
        waited(lambda: "has ended" in kind.problem(guest), "it ends")
        assert not link.exists(end(1))
        with pytest.raises(PlugFailed):
            kind.silence(guest, [interface(1)])

    def test_without_qemu_it_is_told_how_to_get_it(
        self, kind: Kind, guest: Guest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("fakevm.tool.finding.search", lambda: [tmp_path])
        with pytest.raises(Exception, match="not installed") as problem:
            kind.make(guest, [])
        assert "fakevm tool install" in getattr(problem.value, "hint", "")

    def test_its_qemu_sees_its_own_files_only(self, kind: Kind, guest: Guest) -> None:
        kind.make(guest, [wired(1)])
        run(kind, guest, "true")
        (pid,) = [
            pid
            for pid in netns.processes(netns.identities([guest.namespace]))
            if "qemu" in Path(f"/proc/{pid}/cmdline").read_text()
        ]
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
        assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
        if jail.user(guest.id):
            assert re.search(rf"^Uid:\t{jail.user(guest.id)}\t", status, re.MULTILINE)
            assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
        root = Path(f"/proc/{pid}/root")
        assert sorted(path.name for path in (root / "etc").iterdir()) == ["ld.so.cache"]
        assert not (root / "root").exists()
        assert not (root / "proc").exists()
