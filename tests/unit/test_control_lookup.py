"""What the user's words mean."""

from __future__ import annotations

import pytest

from fakevm.control.lookup import find_by_name_or_id, find_by_prefix
from fakevm.errors import Ambiguous, NotFound

NETWORKS = [
    {"id": "n1", "name": "private"},
    {"id": "n2", "name": "public"},
    {"id": "n3", "name": "twice"},
    {"id": "n4", "name": "twice"},
    {"id": "n5", "name": "n1"},
]


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


def test_a_prefix_finds_one_and_only_one() -> None:
    ids = {"1f3a": "i-1", "1f3b": "i-2", "20": "i-3"}
    assert find_by_prefix("VIF", "2", ids) == "20"
    assert find_by_prefix("VIF", "1F3A", ids) == "1f3a"
    with pytest.raises(Ambiguous, match=r"(?s)1f3a  i-1.*1f3b  i-2"):
        find_by_prefix("VIF", "1f", ids)
    for words in ("3", ""):
        with pytest.raises(NotFound):
            find_by_prefix("VIF", words, ids)
