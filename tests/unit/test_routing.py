"""Routers of a lab file: what that makes FRR and BIRD do, and what cannot be."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from fakevm import tool
from fakevm.errors import Prerequisite
from fakevm.lab import reading
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle import routing as settling
from fakevm.lab.settle.settling import settle
from fakevm.lab.topology.routing import bird, daemons, frr
from fakevm.lab.topology.routing.commands import commands
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.routing import FrrFile
from fakevm.testing.labs import FAKEVM
from fakevm.tool import TOOLS, Found

HEAD = "neutron: false\nhosts: {host1: {}}\n"
TRIANGLE = """
guests:
  a: {routing: {frr: {ospf: {area: 0},
                      bgp: {as: 65001, neighbours: {10.9.0.2: 65002, eth2: 65003}, networks: [192.0.2.0/24]}}},
      interfaces: {eth1: {addresses: [10.9.0.1/24]}}}
  b: {routing: {bird: {router_id: 10.255.0.1, ospf: {area: 1, hello: 2, dead: 8},
                       bgp: {as: 65002, neighbours: {10.9.0.1: 65001, "fd00::1": 65003}, networks: ["fd00:1::/64"]}}},
      interfaces: {eth1: {addresses: [10.9.0.2/24]}}}
  c: {routing: {frr: {ospf: {interfaces: [eth1]}}}}
links: {ab: a:eth1 -- b:eth1, bc: b:eth2 -- c:eth2, ca: c:eth1 -- a:eth2}
"""
SYSTEM = Path("/")


def lab(text: str) -> LabFile:
    return reading.parse(HEAD + text, "x.yaml")


def wrong(text: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidFile) as refused:
        settle(lab(text), kernel_datapath=True)
    return [(problem.path, problem.message) for problem in refused.value.problems]


def test_each_router_has_an_id_of_its_own() -> None:
    assert {name: router.id for name, router in daemons.routers(lab(TRIANGLE)).items()} == {
        "a": "10.255.0.2",
        "b": "10.255.0.1",
        "c": "10.255.0.3",
    }


def test_frr_is_told_what_the_file_says() -> None:
    text = frr.configuration(daemons.routers(lab(TRIANGLE))["a"])
    assert "interface eth1\n ip ospf network point-to-point\n ip ospf area 0.0.0.0\n ip ospf hello-interval 1\n" in text
    # It has no address of its own.
    assert "interface eth2\n ip address 10.255.0.2/32\n" in text
    assert " neighbor 10.9.0.2 remote-as 65002\n" in text
    assert " neighbor eth2 interface remote-as 65003\n" in text
    assert "  network 192.0.2.0/24\n" in text
    assert frr.needed(text) == ["bgpd", "ospfd"]
    assert "interface eth2" not in frr.configuration(daemons.routers(lab(TRIANGLE))["c"])


def test_each_daemon_of_frr_reads_its_own_part_unless_the_whole_is_the_user_s() -> None:
    routed = lab(TRIANGLE).guests["a"].routing
    assert routed
    assert routed.frr
    router = daemons.routers(lab(TRIANGLE))["a"]
    found = Found(TOOLS["frr"], SYSTEM)
    own = {daemon.name: daemon for daemon in frr.daemons(router, routed.frr, found)}
    files = {path: text for daemon in own.values() for path, text in daemon.files.items()}
    assert list(own) == ["zebra", "bgpd", "ospfd"]
    assert "ip ospf" not in files["/run/frr/a/zebra.conf"]
    assert "ip address" not in files["/run/frr/a/ospfd.conf"]
    assert "router ospf\n ospf router-id 10.255.0.2\n timers throttle spf" in files["/run/frr/a/ospfd.conf"]
    assert own["bgpd"].command[-2:] == ("-f", "/run/frr/a/bgpd.conf")
    assert not any(word.startswith("VTYSH=") for daemon in own.values() for word in daemon.command)
    whole = frr.daemons(router, FrrFile(config="router ospf\n"), found)
    assert [daemon.name for daemon in whole] == ["zebra", "ospfd"]
    assert whole[0].files["/etc/frr/a/frr.conf"] == "router ospf\n"
    assert all(daemon.command[1] == "VTYSH=/usr/bin/vtysh" and "-f" not in daemon.command for daemon in whole)


def test_bird_is_told_what_the_file_says() -> None:
    text = bird.configuration(daemons.routers(lab(TRIANGLE))["b"])
    assert 'interface "eth1" { type ptp; hello 2; dead 8; retransmit 2; };' in text
    assert "area 0.0.0.1" in text
    assert "neighbor 10.9.0.1 as 65001" in text
    assert "route fd00:1::/64 unreachable;" in text
    assert daemons.routers(lab(TRIANGLE))["b"].borrowing == ("eth2",)
    # Else it keeps the routes of a neighbour that is gone for two minutes more.
    assert "graceful restart off;" in text


@pytest.mark.parametrize("program", ["frr", "bird"])
def test_the_daemons_themselves_take_what_they_are_told(program: str) -> None:
    router = daemons.routers(lab(TRIANGLE))["a" if program == "frr" else "b"]
    text = frr.configuration(router) if program == "frr" else bird.configuration(router)
    assert settling.tool.look(program), f"{program} is not installed"
    assert settling.refused(program, text) == []


@pytest.mark.parametrize(
    ("program", "text", "words"),
    [
        ("frr", "interface eth1\n ip osfp area 0\n", ["FRR refuses line 2: Unknown command: ip osfp area 0"]),
        ("bird", "router id 1.2.3.4;\nprotocol ospf v2 { aera 0 {}; }\n", ["BIRD refuses line 2, column 20: syntax"]),
    ],
)
def test_what_a_daemon_refuses_is_told_in_its_words_with_the_line(program: str, text: str, words: list[str]) -> None:
    assert settling.tool.look(program), f"{program} is not installed"
    found = settling.refused(program, text)
    assert [said[: len(word)] for said, word in zip(found, words, strict=True)] == words


def test_a_file_is_read_from_beside_the_lab_file_and_what_is_wrong_with_it_is_told_there(tmp_path: Path) -> None:
    (tmp_path / "r1.conf").write_text("router ospf\n ospf ruoter-id 1.2.3.4\n")
    (tmp_path / "lab.yaml").write_text(f"{HEAD}guests:\n  r1:\n    routing: {{frr: r1.conf}}\n")
    written = reading.load(tmp_path / "lab.yaml")
    routing = written.lab.guests["r1"].routing
    assert routing
    assert routing.router.config == (tmp_path / "r1.conf").read_text()
    with pytest.raises(InvalidFile) as refused:
        settle(written.lab, kernel_datapath=True, place=written.place)
    (problem,) = refused.value.problems
    assert problem.line == 5
    assert "FRR refuses line 2" in problem.message
    (tmp_path / "r1.conf").unlink()
    with pytest.raises(InvalidFile, match=r"cannot read .*r1\.conf: No such file"):
        reading.load(tmp_path / "lab.yaml")


def test_what_cannot_be_is_told() -> None:
    assert wrong("guests: {a: {routing: {frr: {ospf: {}}}}}") == [
        ("guests.a.routing.frr.ospf", "the guest is at the end of no link, and OSPF needs one")
    ]
    assert wrong("guests: {a: {routing: {frr: {bgp: {as: 1, neighbours: {eth3: 2}}}}}}") == [
        ("guests.a.routing.frr.bgp.neighbours.eth3", "the guest has no interface 'eth3'")
    ]
    two = "router_id: 10.1.1.1, bgp: {as: 1}"
    assert wrong(f"guests: {{a: {{routing: {{bird: {{{two}}}}}}}, b: {{routing: {{bird: {{{two}}}}}}}}}") == [
        ("guests.b.routing.bird.router_id", "the router 'a' has this id, too")
    ]
    ((path, words),) = wrong("guests: {a: {routing: {bird: {bgp: {as: 1, neighbours: {eth3: 2}}}}}}")
    assert path == "guests.a.routing.bird.bgp.neighbours.eth3"
    assert "BIRD knows a neighbour by its address" in words


@pytest.mark.parametrize(
    ("routing", "words"),
    [
        ("{}", "a router runs one of frr and bird"),
        ("{frr: {ospf: {}}, bird: {ospf: {}}}", "a router runs one of frr and bird"),
        ("{frr: {}}", "say what it is to do"),
        ("{frr: {file: x, ospf: {}}}", "a whole configuration says that itself"),
        ("{frr: {ospf: {hello: 4, dead: 4}}}", "dead must be more than hello"),
        ("{frr: {ospf: {hello: 500ms}}}", "whole seconds"),
        ("{frr: {ospf: {area: x}}}", "an area is a number"),
        ("{frr: {bgp: {as: 0}}}", "must be at least 1"),
        ("{frr: {bgp: {as: 1, neighbours: {10.1: 2}}}}", "neither an address nor an interface"),
        ('{frr: {router_id: "fd00::1", bgp: {as: 1}}}', "written as an IPv4 address"),
    ],
)
def test_words_that_say_nothing_are_refused(routing: str, words: str) -> None:
    with pytest.raises(InvalidFile, match=words):
        lab(f"guests: {{a: {{routing: {routing}}}}}")


def test_a_tool_that_is_not_there_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("fakevm.tool.finding._SYSTEM", tmp_path)
    monkeypatch.setenv("FAKEVM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("fakevm.release.cache.SYSTEM_CACHE", tmp_path / "none")
    with pytest.raises(Prerequisite, match="bird is not installed") as missing:
        daemons.daemons(lab(TRIANGLE))
    assert "fakevm tool install bird" in missing.value.hint


def test_a_tool_that_is_for_other_machines_is_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAKEVM_CACHE", str(tmp_path))
    monkeypatch.setattr("fakevm.release.cache.SYSTEM_CACHE", tmp_path / "none")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    monkeypatch.setattr("shutil.which", lambda _: None)
    for get in (tool.install, tool.find):
        with pytest.raises(Prerequisite, match="tiny-vm") as refused:
            get("tiny-vm")
        assert "it is for x86_64 machines, and this one is riscv64" in refused.value.hint


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--", "busybox", "a", "--b"], 7, "a --b"),
        (["--", "sh"], 2, "tiny-vm has no program 'sh'\nfakevm tool run tiny-vm -- PROGRAM; there are: busybox."),
        ([], 2, "which program?"),
    ],
)
def test_a_program_of_a_tool_is_run_as_it_is(tmp_path: Path, words: list[str], status: int, said: str) -> None:
    root = tmp_path / "tools/tiny-vm/root"
    root.joinpath("bin").mkdir(parents=True)
    root.with_name("complete").touch()
    program = root / "bin/busybox"
    program.write_text('#!/bin/sh\necho "$*"\nexit 7\n')
    program.chmod(0o755)
    done = subprocess.run(
        [FAKEVM, "tool", "run", "tiny-vm", *words], env={**os.environ, "FAKEVM_CACHE": str(tmp_path)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done


def test_daemons_are_called_by_their_programs() -> None:
    kept = ("httpd -f", "exec /usr/sbin/httpd", "A=1 zebra")
    run = ", ".join(f"{{command: {command}, restart: always}}" for command in kept)
    found = commands(lab(f"guests: {{a: {{run: [ls, {run}]}}}}").guests["a"].run, taken=["zebra"])
    assert [daemon.name for daemon in found] == ["httpd", "httpd-2", "zebra-2"]


def test_a_program_beside_the_system_is_run_with_the_libraries_that_came_with_it(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/x86_64-linux-gnu/frr").mkdir(parents=True)
    found = Found(TOOLS["frr"], tmp_path)
    libraries = f"{tmp_path}/usr/lib/x86_64-linux-gnu/frr:{tmp_path}/usr/lib/x86_64-linux-gnu:{tmp_path}/usr/lib"
    assert found.command("vtysh") == ["env", f"LD_LIBRARY_PATH={libraries}", f"{tmp_path}/usr/bin/vtysh"]
    assert Found(TOOLS["frr"], SYSTEM).command("zebra") == ["/usr/lib/frr/zebra"]
    (tmp_path / "lib64").mkdir()
    (tmp_path / "lib64/ld-linux-x86-64.so.2").touch()
    assert found.command("vtysh")[:2] == [f"{tmp_path}/lib64/ld-linux-x86-64.so.2", "--library-path"]


def test_a_daemon_waits_for_zebra_but_not_where_time_is_told_in_whole_seconds(tmp_path: Path) -> None:
    """Some shells compare files so: a socket of the same second as the files is zebra's of now."""
    for place in ("run/r", "etc/r", "tmp"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "group").write_text("frrvty:x:1:root\n")
    (tmp_path / "etc/r/vtysh.conf").touch()
    places = {"/run/frr": "run", "/etc/frr": "etc", "/etc/group": "group", "/var/tmp/frr": "tmp"}
    script = frr._START
    for name, own in places.items():
        script = script.replace(name, str(tmp_path / own))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "run/r/zserv.api"))
        for file in ("run/r/zserv.api", "etc/r/vtysh.conf"):
            os.utime(tmp_path / file, (1e9, 1e9))
        begun = ["sh", "-c", script, "sh", "r", "ospfd", "echo", "begun"]
        said = subprocess.run(begun, capture_output=True, text=True, timeout=8, check=True).stdout
        assert said.startswith("begun -N r")
        # One that was there before the files is that of a zebra which has ended.
        os.utime(tmp_path / "run/r/zserv.api", (1e9 - 1, 1e9 - 1))
        waiting = subprocess.Popen(begun, stdout=subprocess.DEVNULL)
        with waiting, pytest.raises(subprocess.TimeoutExpired):
            try:
                waiting.wait(0.5)
            finally:
                os.utime(tmp_path / "run/r/zserv.api")
        assert waiting.returncode == 0
