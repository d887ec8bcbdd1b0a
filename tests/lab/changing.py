"""A lab that is what its file says: also when that changes, while others ping on, and when it is brought up anew."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from .conftest import Lab, Labs
from .pings import pinging

_NAME = "changing"

Change = tuple[str, str, set[tuple[str, str, str]]]
"""What is written, what instead, and what is done for it: action, kind, name. Nothing: only its checks are others."""


def stays_as_its_file(
    labs: Labs, text: str, address: str, changes: Iterable[Change], absent: Collection[str] = ()
) -> None:
    """Bring a lab up, change its file step by step, and bring it up from its export.

    Meanwhile its guest ``here`` pings ``address``, and loses nothing. ``absent`` are kinds that its backend lacks.
    """
    lab = labs.up_from(_NAME, text)
    file = labs.folder / f"{_NAME}.yaml"
    _checked(lab)
    _same(lab)

    vif = json.loads(lab.fakevm("show", "here", "-f", "json").stdout)["vif_id"]
    with pinging(lab, vif, address, 0.1, labs.folder) as pings:
        for old, new, wanted in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
            file.write_text(text)
            if not wanted:
                continue
            done = lab.fakevm("lab", "apply", str(file), "-f", "json")
            assert done.returncode == 0, done.stderr
            expected = {step for step in wanted if step[1] not in absent}
            assert {(s["action"], s["kind"], s["name"]) for s in json.loads(done.stdout)} == expected, (old, new)
        assert lab.fakevm("lab", "apply", str(file)).returncode == 0
        _checked(lab)
        _same(lab)
    assert pings.lost() == []
    _anew(lab, file)


def _checked(lab: Lab) -> None:
    met = lab.fakevm("check", timeout=600)
    assert met.returncode == 0, met.stdout + met.stderr


def _same(lab: Lab) -> None:
    told = lab.fakevm("lab", "diff", "--exit-code")
    assert told.returncode == 0, told.stdout + told.stderr


def _anew(lab: Lab, file: Path) -> None:
    """Bring the lab up from its own export: it is as the file says, and its checks are met."""
    exported = lab.fakevm("lab", "export")
    assert exported.returncode == 0, exported.stderr
    again = file.with_name("exported.yaml")
    again.write_text(exported.stdout)
    assert lab.fakevm("lab", "down", lab.record.name).returncode == 0
    lab = lab.labs.up(lab.record.name, str(again))
    told = lab.fakevm("lab", "diff", str(file), "--exit-code")
    assert told.returncode == 0, told.stdout + told.stderr
    _checked(lab)
    assert lab.fakevm("lab", "down", lab.record.name).returncode == 0
