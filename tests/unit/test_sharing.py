"""RBAC between projects: with whom resources are shared."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from fakevm.control import cloud, credentials
from fakevm.control.transport import Answer
from fakevm.errors import FakevmError, InvalidInput
from fakevm.lab import projects, reading
from fakevm.lab.apply.difference import difference
from fakevm.lab.apply.drift import drift
from fakevm.lab.checks import records
from fakevm.lab.topology.description import resources, stages
from fakevm.lab.topology.store import Store
from fakevm.model.labfile import LabFile
from fakevm.model.resource import Project, Ref

FILE = """\
auth: keystone
networks: {n: {shared_with: [demo]}}
security_groups: {g: {shared_with: ['*']}}
address_groups: {a: {shared_with: [demo]}}
address_scopes: {s: {shared_with: [demo]}}
subnet_pools: {p: {prefixes: [10.0.0.0/8], shared_with: [demo]}}
qos_policies: {q: {shared_with: [demo, alt_demo]}}
checks: {seen: {kind: api, from: demo, get: /networks, shows: n}}
"""
POLICY = "RBAC policy"
NAMES = [
    "QoS policy q for alt_demo",
    "QoS policy q for demo",
    "address group a for demo",
    "address scope s for demo",
    "network n for demo",
    "security group g for all",
    "subnet pool p for demo",
]


def lab(old: str = "", new: str = "") -> LabFile:
    return reading.parse(FILE.replace(old, new, 1) if old else FILE, "file")


def test_each_kind_is_shared_with_each_project_after_it_was_made() -> None:
    made = {resource.ref.name: resource.attributes for resource in resources(lab()) if resource.ref.kind == POLICY}
    assert sorted(made) == NAMES
    assert made["network n for demo"] == {
        "object_type": "network",
        "object_id": Ref("network", "n"),
        "action": "access_as_shared",
        "target_tenant": Project("demo"),
    }
    assert made["subnet pool p for demo"]["object_type"] == "subnetpool"
    assert not isinstance(made["security group g for all"]["target_tenant"], Project)
    assert [stage.title for stage in stages(lab())][-1] == "RBAC policies"


def test_it_comes_and_goes_while_what_is_shared_stays() -> None:
    def steps(new: LabFile) -> list[tuple[str, str, str]]:
        return [(step.action, step.kind, step.name) for step in difference(lab(), new, {}).steps()]

    assert steps(lab("[demo, alt_demo]", "[alt_demo]")) == [("remove", POLICY, "QoS policy q for demo")]
    assert steps(lab("n: {shared_with: [demo]}", "n: {shared_with: [demo, service]}")) == [
        ("make", POLICY, "network n for service")
    ]
    # It goes with what was shared.
    gone = difference(lab(), lab("networks: {n: {shared_with: [demo]}}", "networks: {}"), {})
    assert [resource.ref.kind for resource in gone.removed] == ["network"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[demo]", "[dmeo]", "a lab's Keystone has no project 'dmeo'"),
        ("[demo]", "[admin]", "'admin' is the project that has it"),
        ("auth: keystone\n", "", "only Keystone has projects"),
        ("from: demo", "from: dmo", "a lab's Keystone has no user 'dmo'"),
        ("auth: keystone\n", "", "only Keystone has users"),
    ],
)
def test_projects_and_users_that_are_not_there_are_told(old: str, new: str, words: str) -> None:
    assert any(words in remark.what for remark in projects.wrong(lab(old, new)))
    assert not list(projects.wrong(lab()))


def test_a_project_is_named_once() -> None:
    with pytest.raises(InvalidInput, match="'demo' is there more than once"):
        lab("[demo]", "[demo, demo]")


class Api:
    """Neutron's API, with an RBAC policy, and one that is not a file's: that of an external network."""

    there = True
    ROWS: ClassVar[dict[str, list[dict[str, Any]]]] = {
        "/networks": [{"id": "n1", "name": "n", "project_id": "x"}],
        "/rbac-policies": [
            {"id": "b1", "object_type": "network", "object_id": "n1", "action": "access_as_shared",
             "target_tenant": "d1"},
            {"id": "b2", "object_type": "network", "object_id": "n1", "action": "access_as_external",
             "target_tenant": "*"},
        ],
    }  # fmt: skip

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def collection(self, path: str, _what: str, **query: Any) -> list[dict[str, Any]]:
        return [] if query.get("name") == "default" else self.ROWS.get(path, [])

    def send(self, _method: str, _path: str, _what: str, body: Any = None) -> Any:
        self.sent.append(body)
        return {"rbac_policy": {**body["rbac_policy"], "id": "b9"}}


def test_projects_have_ids_for_neutron_and_names_for_everybody_else() -> None:
    api = Api()
    store = Store(api, "x", {"demo": "d1", "alt_demo": "d2"})  # type: ignore[arg-type]
    store.load()
    seen = Ref(POLICY, "network n for demo")
    assert store.seen[seen]["target_tenant"] == "demo"
    both = lab("n: {shared_with: [demo]}", "n: {shared_with: [demo, alt_demo]}")
    wanted = [r for r in resources(both) if r.ref.name.startswith("network n for") or r.ref == Ref("network", "n")]
    assert [(d.state, d.name) for d in drift(wanted, store.seen, {}, {}) if d.kind == POLICY] == [
        ("missing", "network n for alt_demo")
    ]
    assert store.make(next(r for r in wanted if r.ref.name.endswith("alt_demo")))
    assert api.sent[0]["rbac_policy"]["target_tenant"] == "d2"


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, "passes"), (403, "passes"), (404, "passes"), (400, ""), (401, ""), (500, ""), (503, "")],
)
def test_what_an_api_that_does_not_work_answers_shows_nothing_of_a_user(
    monkeypatch: pytest.MonkeyPatch, status: int, verdict: str
) -> None:
    answer = Answer(status, "Why", "http://127.0.0.1:1/v2.0/networks", b"n")
    monkeypatch.setattr(credentials, "settings", lambda *_: {})
    monkeypatch.setattr(cloud, "of", lambda _: SimpleNamespace(request=lambda *_: answer))
    check: Any = lab().checks["seen"]
    if verdict:
        assert records.of_api(Any, check).verdict == verdict  # type: ignore[arg-type]
    else:
        with pytest.raises(FakevmError):
            records.of_api(Any, check)  # type: ignore[arg-type]
