"""Options of Neutron's programs that a lab file gives: what is taken, refused, told, and written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakevm.backend import base as backends
from fakevm.errors import NotFound
from fakevm.lab import files, host, neutron, reading
from fakevm.lab.config import effective, known
from fakevm.lab.config.option import Option
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle.settling import Settled, settle
from fakevm.release import options
from fakevm.release.options import Listing


def _entry(namespace: str, name: str, kind: str = "string value", **more: Any) -> dict[str, Any]:
    """Give an option as fakevm_options does."""
    plain = {
        "default": None,
        "minimum": None,
        "maximum": None,
        "choices": [],
        "secret": False,
        "help": "",
        "former": [],
    }
    return {**plain, "namespace": namespace, "name": name, "kind": kind, "item": "string value", "removal": "", **more}


_SECTIONS = {
    "DEFAULT": [
        _entry("neutron", "service_plugins", "list value", default=[]),
        _entry("neutron", "host"),
        _entry("oslo.messaging", "transport_url", secret=True),
        _entry("oslo.log", "debug", "boolean value", default=False),
        _entry("neutron", "global_physnet_mtu", "integer value", default=1500),
        _entry("neutron", "max_routes", "integer value", default=30, minimum=0, maximum=100),
        _entry("neutron.l3.agent", "agent_mode", choices=["legacy", "dvr"]),
        _entry(
            "neutron", "old_mode", removal="nobody wants it", former=[["DEFAULT", "older_mode"]],
        ),
    ],
    "agent": [
        _entry("neutron.ml2.ovs.agent", "extensions", "list value", default=[]),
        _entry("neutron.l3.agent", "extensions", "list value", default=[]),
        _entry("neutron.ml2.ovs.agent", "tunnel_types", "list value", default=["vxlan"]),
    ],
    "ovs": [
        _entry("neutron.ml2.ovs.agent", "bridge_mappings", "list value"),
        _entry("neutron.ml2.ovs.agent", "resource_provider_hypervisors", "dict value"),
        _entry("neutron.ml2.ovs.agent", "local_ip", "IP address value"),
    ],
    "FDB": [_entry("", "mappings", "list value", item="integer value", minimum=1)],
    "service_providers": [_entry("neutron", "service_provider", "multi valued")],
    "ml2": [_entry("neutron.ml2", "type_drivers", "list value")],
}  # fmt: skip


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Listing | None]]:
    """Let releases know the options above; what is put into the mapping is what that release says instead."""
    others: dict[str, Listing | None] = {}
    monkeypatch.setattr(options, "listed", lambda name, _path=(): others.get(name, Listing(_SECTIONS)))
    known._listed.cache_clear()
    known._of.cache_clear()
    yield others
    known._listed.cache_clear()
    known._of.cache_clear()


def _settled(text: str) -> Settled:
    written = reading.parse(text, "lab.yaml")
    return settle(written, kernel_datapath=False)


def _refused(text: str) -> list[str]:
    tree = reading._tree(text, "lab.yaml")
    written = reading.Written(reading.parse_mapping(tree, "lab.yaml"), "lab.yaml", tree, {})
    with pytest.raises(InvalidFile) as refused:
        settle(written.lab, kernel_datapath=False, place=written.place)
    return [str(problem) for problem in refused.value.problems]


# -- what is taken -----------------------------------------------------------------------------------------------


def test_options_reach_the_files_of_their_programs_alone() -> None:
    settled = _settled(
        "hosts: {one: {roles: [compute, l3], config: {ovs_agent: {agent: {extensions: [log]}}}}, two: {}}\n"
        "config:\n"
        "  server: {DEFAULT: {debug: true}, service_providers: {service_provider: ['A:b:c', 'D:e:f:default']}}\n"
        "  ovs_agent: {AGENT: {extensions: [qos, log], tunnel-types: vxlan}}\n"
        "  l3_agent: {agent: {extensions: [port_forwarding]}}\n"
    )
    plan, backend = settled.plan, settled.backend
    one, two = (host._configuration(plan, planned, backend) for planned in plan.hosts)
    assert one["config/ovs_agent.ini"] == "[agent]\nextensions = log\ntunnel_types = vxlan\n"
    assert two["config/ovs_agent.ini"] == "[agent]\nextensions = qos,log\ntunnel_types = vxlan\n"
    assert one["config/l3_agent.ini"] == "[agent]\nextensions = port_forwarding\n"
    assert "config/l3_agent.ini" not in two
    assert "extensions = qos\n" in one["ovs_agent.ini"]
    assert "extensions" not in one["l3_agent.ini"]


def test_the_server_repeats_what_may_be_repeated(tmp_path: Path) -> None:
    settled = _settled("config: {server: {service_providers: {service_provider: ['A:b:c', 'D:e:f:default']}}}")
    neutron.write(settled.plan, settled.backend, tmp_path)
    text = (tmp_path / "neutron/config/server.ini").read_text()
    assert text == "[service_providers]\nservice_provider = A:b:c\nservice_provider = D:e:f:default\n"
    assert (tmp_path / "neutron/config/ml2.ini").read_text() == ""


@pytest.mark.parametrize("backend", sorted(set(backends.installed_names()) - {"linuxbridge"}))
def test_every_program_reads_what_the_lab_file_says_last(backend: str) -> None:
    """Also where it says nothing: then `lab apply` may."""
    settled = _settled(f"backend: {backend}\nhosts: {{one: {{roles: [compute, dhcp, l3, metadata]}}}}")
    plan = settled.plan
    for program in neutron.programs(plan, settled.backend):
        words = " ".join((*program.command, *program.environment.values()))
        assert words.index("ml2.ini") < words.index("config/server.ini") < words.index("config/ml2.ini")
    for program in host.programs(plan, plan.hosts[0], settled.backend):
        if program.name.startswith("neutron-") and program.name != "neutron-fakevm-agent":
            assert program.command[-1].startswith("/run/fakevm/hosts/one/config/"), program
            written = host._configuration(plan, plan.hosts[0], settled.backend)
            read = [word for word in program.command if word.endswith((".conf", ".ini"))]
            assert all(word.removeprefix("/run/fakevm/hosts/one/") in written for word in read)


def test_helpers_read_the_files_of_the_agent_that_starts_them() -> None:
    settled = _settled("hosts: {one: {roles: [compute, l3]}}")
    written = host._configuration(settled.plan, settled.plan.hosts[0], settled.backend)
    assert "/config/l3_agent.ini" in written["l3_agent.ini"].partition("helper_command")[2]
    assert "l3_agent" not in written["ovs_agent.ini"]


def test_a_name_that_an_option_had_once_is_written_as_it_is_now() -> None:
    settled = _settled("config: {server: {DEFAULT: {older_mode: x}}}")
    assert known.text(known.of("server", "29.0.0"), settled.plan.config["server"]) == "[DEFAULT]\nold_mode = x\n"
    assert [note.what for note in settled.notes] == [
        "server calls [DEFAULT] older_mode [DEFAULT] old_mode now",
    ]


def test_what_goes_away_and_what_nobody_reads_is_told() -> None:
    notes = _settled("config: {server: {DEFAULT: {old_mode: x}}, l3_agent: {DEFAULT: {debug: true}}}").notes
    assert [(note.path, note.what) for note in notes] == [
        ("config.server.DEFAULT.old_mode", "[DEFAULT] old_mode will be removed from Neutron: nobody wants it"),
        ("config.l3_agent", "the lab runs no l3_agent: its options do nothing"),
    ]


def test_what_another_program_is_known_to_read_is_taken_and_told() -> None:
    """The lists of who reads what have gaps."""
    settled = _settled("config: {dhcp_agent: {ovs: {bridge_mappings: [a:b, c:d]}}}")
    assert [note.what for note in settled.notes] == [
        "dhcp_agent may not heed [ovs] bridge_mappings, which is an option of ovs_agent",
    ]
    written = host._configuration(settled.plan, settled.plan.hosts[2], settled.backend)
    assert written["config/dhcp_agent.ini"] == "[ovs]\nbridge_mappings = a:b,c:d\n"


def test_links_do_not_grow_with_an_option() -> None:
    (note,) = _settled("config: {server: {DEFAULT: {global_physnet_mtu: 9000}}}").notes
    assert (note.path, "bear 1500 bytes" in note.what) == ("config.server.DEFAULT.global_physnet_mtu", True)


def test_an_upgrade_tells_which_options_the_new_release_lacks(
    tmp_path: Path, listed: dict[str, Listing | None]
) -> None:
    listed["28.0.2"] = Listing({"agent": _SECTIONS["agent"][:1]})
    (tmp_path / "config").mkdir()
    (tmp_path / "config/ovs_agent.ini").write_text("[agent]\nextensions = qos\ntunnel_types = vxlan\n")
    assert list(effective.unheeded(tmp_path, "28.0.2", ())) == [
        "ovs_agent of Neutron 28.0.2 has no option [agent] tunnel_types: it will not heed it"
    ]


def test_what_cannot_be_checked_yet_is_told(listed: dict[str, Listing | None]) -> None:
    listed["29.0.0"] = None
    settled = _settled("config: {ml2: {ml2: {no_such: x, other: [a, b]}, Mine: {x: {a: 1}}}}")
    assert "checked when Neutron 29.0.0 is installed" in settled.notes[0].what
    assert (
        known.text(known.Known(), settled.plan.config["ml2"]) == "[ml2]\nno_such = x\nother = a,b\n\n[Mine]\nx = a:1\n"
    )


def test_networks_are_checked_with_what_the_file_says_of_types() -> None:
    _settled("config: {ml2: {ml2: {type_drivers: [flat, vlan, vxlan, geneve]}}}\nnetworks: {a: {type: geneve}}")
    assert "geneve" in _refused("networks: {a: {type: geneve}}")[0]


# -- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("config: {sever: {}}", "lab.yaml:1: config.sever: there is no program 'sever'. Did you mean 'server'?"),
        ("config: {neutron-l3-agent: {}}", "Did you mean 'l3_agent'?"),
        ("config: {l3: {}}", "Did you mean 'l3_agent'?"),
        (
            "config: {server: {DEFAULT: {dbug: true}}}",
            "config.server.DEFAULT.dbug: server of Neutron 29.0.0 has no option [DEFAULT] dbug. "
            "Did you mean [DEFAULT] debug?",
        ),
        ("config: {ovs_agent: {DEFAULT: {extensions: qos}}}", "Did you mean [agent] extensions?"),
        ("config: {ovs_agent: {agnt: {nothing: 1}}}", "Did you mean the section [agent]?"),
        ("config: {server: {ml2: {type_drivers: flat}}}", "is an option of ml2. Put it into 'config', 'ml2'."),
        ("config: {server: {DEFAULT: {zzz: 1}}}", "fakevm lab config server --release 29.0.0"),
        ("config: {server: {DEFAULT: {debug: maybe}}}", "[DEFAULT] debug is true or false"),
        ("config: {ovs_agent: {fdb: {mappings: [1, 0]}}}", "[FDB] mappings must be at least 1"),
        ("config: {server: {DEFAULT: {debug: [true]}}}", "[DEFAULT] debug takes one value"),
        ("config: {server: {DEFAULT: {max_routes: -1}}}", "[DEFAULT] max_routes must be at least 0"),
        ("config: {server: {DEFAULT: {max_routes: 101}}}", "must be at most 100"),
        ("config: {server: {DEFAULT: {max_routes: 1.5}}}", "takes a whole number"),
        ("config: {ovs_agent: {ovs: {resource_provider_hypervisors: [a]}}}", "takes names with values"),
        ('config: {ovs_agent: {ovs: {bridge_mappings: "a:b\\nc = d"}}}', "takes a line of text"),
        ("config: {server: {DEFAULT: {transport_url: x}}}", "must set [DEFAULT] transport_url: the lab has a broker"),
        ("config: {ovs_agent: {DEFAULT: {host: x}}}", "FakeVM must set [DEFAULT] host"),
        ("config: {ovs_agent: {OVS: {local_ip: 10.0.0.1}}}", "FakeVM must set [ovs] local_ip"),
        ("config: {l3_agent: {DEFAULT: {agent_mode: dvr}}}", "Say 'l3_mode' of the host."),
        ("hosts: {one: {config: {server: {}}}}", "hosts.one.config.server: the server is the lab's"),
        ("config: {ovs_agent: {agent: {extensions: a}, AGENT: {extensions: b}}}", "given twice"),
        ("config: {server: {DEFAULT: {debug: }}}", "a value is expected"),
        ("config: {server: {DEFAULT: {debug: [[1]]}}}", "a list of plain values"),
        ("config: {server: 3}", "keys with values are expected"),
        (
            "neutron: false\nhosts: {one: {config: {ovs_agent: {agent: {extensions: a}}}}}",
            "hosts.one.config: this lab has no Neutron (neutron: false), whose agents 'config' is for",
        ),
        (
            "config: {server: {DEFAULT: {service_plugins: [router]}}}\nqos_policies: {slow: {}}",
            "needs the service plugin 'qos', too",
        ),
    ],
)  # fmt: skip
def test_wrong_options_are_told_with_their_lines(text: str, wanted: str) -> None:
    try:
        problems = _refused(text)
    except InvalidFile as unread:
        problems = [str(problem) for problem in unread.problems]
    assert len(problems) == 1
    assert re.match("lab.yaml:[12]: ", problems[0])
    assert wanted in problems[0]


def test_an_option_must_be_known_to_the_release_of_each_host(listed: dict[str, Listing | None]) -> None:
    listed["28.0.2"] = Listing({"agent": _SECTIONS["agent"][:1]})
    text = "hosts: {new: {}, old: {release: 28.0.2}}\nconfig: {ovs_agent: {agent: {tunnel_types: vxlan}}}"
    assert "ovs_agent of Neutron 28.0.2 has no option [agent] tunnel_types" in _refused(text)[0]


def test_options_of_hosts_that_are_counted_are_told_where_they_are_counted() -> None:
    (problem,) = _refused("hosts:\n  compute:\n    count: 3\n    config: {ovs_agent: {agent: {extension: x}}}")
    assert problem.startswith("lab.yaml:4: hosts.compute.config.ovs_agent.agent.extension: ")


# -- one option --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "lines"),
    [
        ("list value", ("a", 1, True), ["a,1,true"]),
        ("list value", {"net": "br"}, ["net:br"]),
        ("multi valued", ("a", "b"), ["a", "b"]),
        ("multi valued", "a", ["a"]),
        ("dict value", {"a": 1, "b": False}, ["a:1,b:false"]),
        ("boolean value", True, ["true"]),
    ],
)
def test_values_are_written_as_oslo_config_reads_them(kind: str, value: Any, lines: list[str]) -> None:
    option = Option("s", "o", kind=kind)
    assert option.lines(value) == lines
    assert option.wrong(value) == ""


def test_a_choice_is_told_with_the_nearest() -> None:
    option = Option("s", "o", choices=("legacy", "dvr"))
    assert option.wrong("DVR") == ""
    assert option.wrong("legazy") == "does not take 'legazy'; did you mean 'legacy'? it takes: legacy, dvr"


# -- what a program goes by --------------------------------------------------------------------------------------


def test_defaults_are_listed_and_chosen_by_name() -> None:
    rows = effective.defaults("ovs_agent", "29.0.0")
    assert ("agent", "tunnel_types", "vxlan", "default") in rows
    assert [row.option for row in effective.chosen(rows, ["AGENT.extensions", "debug"], "ovs_agent")] == [
        "extensions",
        "debug",
    ]
    with pytest.raises(NotFound) as unknown:
        effective.chosen(rows, ["agent.extension"], "ovs_agent")
    assert unknown.value.hint == "Did you mean [agent] extensions?"
    with pytest.raises(NotFound) as unknown:
        effective.defaults("ovs_agnt", "29.0.0")
    assert "'ovs_agent'" in unknown.value.hint


def test_files_that_fakevm_writes_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "x.ini"
    file.write_text(files.ini({"DEFAULT": {"a": "b = c", "d": True}, "e": {"f": ("g", "h")}}))
    assert effective.read(file) == {("DEFAULT", "a"): ["b = c"], ("DEFAULT", "d"): ["true"], ("e", "f"): ["g,h"]}


# -- warmed processes --------------------------------------------------------------------------------------------


def test_programs_that_debug_are_told_from_others() -> None:
    """Their modules look at it while they are imported, so another warmed process forks them."""
    settled = _settled(
        "hosts: {one: {config: {ovs_agent: {DEFAULT: {debug: false}}}}, two: {}}\n"
        "config: {server: {DEFAULT: {debug: 'Yes'}}, ovs_agent: {DEFAULT: {debug: true}}}"
    )
    plan, backend = settled.plan, settled.backend
    assert {program.debug for program in neutron.programs(plan, backend)} == {True}
    one, two = ({p.name for p in host.programs(plan, h, backend) if p.debug} for h in plan.hosts)
    assert (one, two) == (set(), {"neutron-openvswitch-agent"})
