"""What a backend does not say it lacks works, and what it lacks is skipped with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fakevm.backend import base as backends
from fakevm.model.feature import FEATURES, Feature
from fakevm.testing.labs import Lab

FILE = Path(__file__).with_name("lab.yaml")
"""The lab file of the contract, with a check for each feature but those NOT_HERE."""
NOT_HERE: Mapping[Feature, str] = {
    "dscp": "examples/qos shows it",
    "packet-rates": "examples/qos shows them",
    "minimum-bandwidth": "a packet does not tell it where there is room",
    "qos-of-routers": "the policy of the floating IP would slow the other checks",
    "address-scopes": "examples/address-scopes shows them",
    "zones": "examples/zones shows them",
    "local-ips": "examples/local-ip shows them",
    "ndp-proxies": "examples/ndp-proxy shows them",
    "conntrack-helpers": "examples/metering shows one",
    "metering": "examples/metering shows it",
    "packet-logs": "examples/packet-log shows them",
}
"""The features that this lab has no check for, and why."""
_PATIENCE = 900.0
_TUNNELS = ("vxlan", "geneve", "gre")

Seen = dict[str, dict[str, Any]]


class FeatureContract:
    """The features of a lab that was made from FILE, which the fixture ``lab`` gives."""

    backend: str

    @pytest.fixture(scope="class")
    @classmethod
    def checked(cls, lab: Lab) -> Seen:
        """Run all checks of the file; a check's result by its name."""
        done = lab.fakevm("check", "-f", "json", timeout=_PATIENCE)
        assert done.stdout, done.stderr
        return {seen["name"]: seen for seen in json.loads(done.stdout)}

    def test_all_agents_are_alive(self, lab: Lab) -> None:
        """No program has died, and Neutron hears of each agent."""
        for program in lab.told("lab", "status"):
            assert program["state"] == "running", program
            assert program["agent"] in ("alive", "", None), program

    @pytest.mark.parametrize("feature", [feature for feature in FEATURES if feature not in NOT_HERE])
    def test_feature(self, feature: Feature, checked: Seen) -> None:
        """It works, or is skipped with the reason that the backend gives."""
        seen = checked[feature]
        lacks = backends.load(self.backend).lacks
        if seen["status"] == "skipped":
            reasons = [reason for reason in lacks.values() if reason in seen["seen"]]
            assert reasons, f"skipped for no reason that the backend gives: {seen['seen']}"
            pytest.skip(seen["seen"])
        assert feature not in lacks
        assert seen["status"] == "met", seen["seen"]

    def test_tunnels_are_what_networks_get(self, lab: Lab) -> None:
        """A backend that has tunnels takes them for networks whose type is its choice."""
        if "tunnels" in backends.load(self.backend).lacks:
            pytest.skip(backends.load(self.backend).lacks["tunnels"])
        words = ("network", "show", "private", "-f", "value", "-c", "provider:network_type")
        assert lab.openstack(*words).stdout.strip() in _TUNNELS

    @pytest.mark.parametrize("name", ["hosts", "apart", "moves", "let in"])
    def test_what_no_backend_may_lack(self, name: str, checked: Seen) -> None:
        """Guests of a network reach one another from host to host, those of others do not; a guest moves, cold."""
        assert checked[name]["status"] == "met", checked[name]["seen"]
