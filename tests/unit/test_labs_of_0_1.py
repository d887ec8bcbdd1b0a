"""Lab files of 0.1, every example and template as they were, the first and the last of each: they give the same lab.

``labs_of_0_1/NAME.json`` is what 0.1 itself made of ``NAME.yaml``. A lab may have more today, and nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakevm.lab import planning, reading, releases
from fakevm.lab.settle.settling import settle
from fakevm.lab.topology.description import resources
from fakevm.model.labfile import LabFile

FOLDER = Path(__file__).parent / "labs_of_0_1"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
# Made anew for each lab; of the machine; or how programs are started: those of 0.1 were not forked.
OTHERWISE = {"broker_password", "database_password", "metadata_secret", "events_secret", "directory", "venv", "warm"}


def made_of(path: Path) -> dict[str, Any]:
    """Tell what a lab file makes: the lab's plan, its resources in Neutron, its guests."""
    settled = settle(reading.read(path), kernel_datapath=False).lab
    return json.loads(json.dumps(_made_of(settled), default=str))  # type: ignore[no-any-return]


def _made_of(lab: LabFile) -> dict[str, Any]:
    venvs = {version: Path("/venv") for version in releases.of(lab)}
    plan = planning.make_plan(lab, Path("/lab"), venvs, kernel_datapath=False).model_dump(mode="json")
    for part in (plan, *plan["hosts"]):
        for key in OTHERWISE & part.keys():
            del part[key]
    return {
        "plan": plan,
        "resources": {
            str(resource.ref): plain({**resource.attributes, "parent": resource.parent}) for resource in resources(lab)
        },
        "guests": {
            name: {
                "host": guest.host,
                "run": [run.model_dump(mode="json") for run in guest.run],
                "user_data": guest.user_data,
                "keys": guest.keys,
                "addressing": [port.addressing for port in guest.ports],
            }
            for name, guest in lab.guests.items()
        },
        "checks": {name: check.model_dump(mode="json") for name, check in lab.checks.items()},
    }


def plain(value: Any) -> Any:
    """Write references as text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, tuple) else value


def lost(old: Any, new: Any, where: str = "") -> list[str]:
    """Name what is not there any more, or is another."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [words for key in old for words in lost(old[key], new.get(key), f"{where}/{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [words for n, (a, b) in enumerate(zip(old, new, strict=True)) for words in lost(a, b, f"{where}/{n}")]
    return [] if old == new else [f"{where}: {old!r} → {new!r}"]


@pytest.mark.parametrize("name", NAMES)
def test_a_lab_file_of_0_1_gives_the_same_lab(name: str) -> None:
    old = json.loads((FOLDER / f"{name}.json").read_text())
    del old["plan"]["warm"]
    new = made_of(FOLDER / f"{name}.yaml")
    # The options of the one backend that had some are now in the plan as any backend's are.
    application = old["plan"].pop("openflow")["application"]
    assert ((new["plan"]["options"] or {}).get("application") or "") == application
    assert lost(old, new) == []
    assert new["resources"].keys() == old["resources"].keys()
    assert [host["name"] for host in new["plan"]["hosts"]] == [host["name"] for host in old["plan"]["hosts"]]


def test_what_is_lost_would_be_seen() -> None:
    old = json.loads((FOLDER / "example-qos.json").read_text())
    new = json.loads((FOLDER / "example-qos.json").read_text())
    new["plan"]["release"] = "1"
    assert lost(old, new) == [f"/plan/release: {old['plan']['release']!r} → '1'"]
