"""What the user's words mean."""

from __future__ import annotations

import pytest

from fakevm.control.lookup import Candidate, find_by_name_or_id, find_guest, only
from fakevm.errors import Ambiguous, NotFound
from fakevm.model.identity import called, port_words

NETWORKS = [
    {"id": "n1", "name": "private"},
    {"id": "n2", "name": "public"},
    {"id": "n3", "name": "twice"},
    {"id": "n4", "name": "twice"},
    {"id": "n5", "name": "n1"},
]
SERVER = "50a58255-f3c3-5473-aae1-c3f6aa783ac3"
OTHER = "df304692-b639-5b46-8abf-1758004db490"
# Of a lab file: a guest with one port, another with two. Of create-port: vm1, twin with two ports, and one whose port
# has a name of its own. One whose name looks like the beginning of an id.
PORTS = (
    Candidate("1f3a0000", "web1", SERVER, "compute1", "private"),
    Candidate("1f3b0000", "router1-1", OTHER, "compute2", "public"),
    Candidate("1f3c0000", "router1", OTHER, "compute2", "private"),
    Candidate("20000000", "", "vm1", "compute1", "private"),
    Candidate("30000000", "", "twin", "compute1", "private"),
    Candidate("31000000", "", "twin", "compute1", "public"),
    Candidate("40000000", "own", "vm2", "compute1", "private"),
    Candidate("50000000", "", "1f", "compute1", "private"),
)


def found(words: str) -> list[str]:
    return [candidate.port_id for candidate in find_guest(words, PORTS)]


def test_an_id_comes_before_a_name() -> None:
    assert find_by_name_or_id("network", "n1", NETWORKS)["name"] == "private"
    assert find_by_name_or_id("network", "public", NETWORKS)["id"] == "n2"


def test_an_unknown_name_lists_near_ones() -> None:
    with pytest.raises(NotFound) as caught:
        find_by_name_or_id("network", "privat", NETWORKS)
    assert "private" in caught.value.hint
    assert caught.value.exit_status == 2


def test_a_name_of_several_lists_their_ids() -> None:
    with pytest.raises(Ambiguous, match="n3, n4"):
        find_by_name_or_id("network", "twice", NETWORKS)


def test_without_any_network_that_is_said() -> None:
    with pytest.raises(NotFound) as caught:
        find_by_name_or_id("network", "x", [])
    assert "no network at all" in caught.value.hint


@pytest.mark.parametrize(
    ("words", "ports"),
    [
        ("web1", ["1f3a0000"]),
        (SERVER, ["1f3a0000"]),
        ("vm1", ["20000000"]),
        ("vm2", ["40000000"]),
        ("own", ["40000000"]),
        ("twin", ["30000000", "31000000"]),
        ("router1", ["1f3c0000", "1f3b0000"]),
        (OTHER, ["1f3c0000", "1f3b0000"]),
        ("router1-1", ["1f3b0000"]),
        ("1f3c0000", ["1f3c0000"]),
        ("1F3A", ["1f3a0000"]),
        ("1f", ["50000000"]),
    ],
)
def test_a_guest_is_found_by_its_name_then_by_its_ports_id_then_by_the_beginning(words: str, ports: list[str]) -> None:
    assert found(words) == ports


@pytest.mark.parametrize("words", ["1f3", "3"])
def test_what_fits_several_lists_each_with_name_id_host_and_network(words: str) -> None:
    with pytest.raises(Ambiguous) as caught:
        found(words)
    fitting = [port for port in PORTS if port.port_id.startswith(words)]
    assert len(fitting) > 1
    for port in fitting:
        line = next(line for line in caught.value.what.splitlines() if port.port_id in line)
        assert line.split() == [port.title, port.port_id, "on", port.host, "network", port.network]


def test_a_name_of_a_guest_and_of_another_guests_port_is_ambiguous() -> None:
    with pytest.raises(Ambiguous, match="2 ports are named 'web1'"):
        find_guest("web1", [*PORTS, Candidate("60000000", "", "web1", "compute1")])


@pytest.mark.parametrize("words", ["9", "", "compute1", "1f3d"])
def test_what_fits_none_is_not_found(words: str) -> None:
    with pytest.raises(NotFound, match="there is no guest"):
        found(words)


def test_a_name_that_is_nearly_one_is_suggested() -> None:
    with pytest.raises(NotFound) as caught:
        found("weeb1")
    assert "Did you mean web1?" in caught.value.hint


def test_where_one_port_is_wanted_a_guest_with_several_is_refused_with_its_ports() -> None:
    assert only("web1", find_guest("web1", PORTS)).port_id == "1f3a0000"
    with pytest.raises(Ambiguous, match=r"(?s)has 2 ports:.*1f3c0000.*1f3b0000"):
        only("router1", find_guest("router1", PORTS))


@pytest.mark.parametrize(
    ("name", "instance", "title"),
    [("web1", SERVER, "web1"), ("", SERVER, SERVER), ("own", "vm2", "vm2"), ("", "vm1", "vm1"), ("", "", "id")],
)
def test_a_guest_is_called_by_a_word_that_people_can_remember(name: str, instance: str, title: str) -> None:
    assert called(name, instance, "id") == title
    assert port_words("id", name, instance) == ("port id" if title == "id" else f"port id ({title})")
