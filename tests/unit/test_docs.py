"""What the documentation says of the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from fakevm.agent import config
from fakevm.backend.openflow import OpenflowOptions
from fakevm.lab import form, reading
from fakevm.model import labfile
from fakevm.model.labfile.address_group import AddressGroupFile
from fakevm.model.labfile.address_scope import AddressScopeFile
from fakevm.model.labfile.conntrack_helper import ConntrackHelperFile
from fakevm.model.labfile.generate import GenerateFile
from fakevm.model.labfile.image import ImageFile
from fakevm.model.labfile.impairment import ImpairmentFile, ShapeFile
from fakevm.model.labfile.local_ip import LocalIpFile
from fakevm.model.labfile.metering_label import MeteringLabelFile
from fakevm.model.labfile.ndp_proxy import NdpProxyFile
from fakevm.model.labfile.network import SegmentFile
from fakevm.model.labfile.packet_log import PacketLogFile
from fakevm.model.labfile.physical_network import UnderlayFile
from fakevm.model.labfile.subnet_pool import SubnetPoolFile
from fakevm.model.labfile.unbound_port import UnboundPortFile
from fakevm.model.machine import MachineSettings

ROOT = Path(__file__).parents[2]
LAB_FILE = (ROOT / "docs/reference/lab-file.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

SECTIONS = [
    ("The lab", labfile.LabFile),
    ("A backend's own options", OpenflowOptions),
    ("A physical network", labfile.PhysicalNetwork),
    ("MTUs", UnderlayFile),
    ("A host", labfile.HostFile),
    ("The world outside", labfile.OutsideFile),
    ("A network", labfile.NetworkFile),
    ("A subnet", labfile.SubnetFile),
    ("A routed provider network", SegmentFile),
    ("A subnet pool", SubnetPoolFile),
    ("An address scope", AddressScopeFile),
    ("A router", labfile.RouterFile),
    ("A floating IP", labfile.FloatingIpFile),
    ("A conntrack helper", ConntrackHelperFile),
    ("A local IP", LocalIpFile),
    ("An NDP proxy", NdpProxyFile),
    ("A metering label", MeteringLabelFile),
    ("A packet log", PacketLogFile),
    ("A security group", labfile.SecurityGroupFile),
    ("An address group", AddressGroupFile),
    ("A QoS policy", labfile.QosPolicyFile),
    ("A guest", labfile.GuestFile),
    ("An image", ImageFile),
    ("A virtual machine", MachineSettings),
    ("An interface", labfile.LinkEndFile),
    ("A link", labfile.LinkFile),
    ("Generated guests and links", GenerateFile),
    ("A port", labfile.PortFile),
    ("A port without a guest", UnboundPortFile),
    ("An impairment", ImpairmentFile),
    ("A shape", ShapeFile),
]


@pytest.mark.parametrize(("heading", "model"), SECTIONS, ids=str)
def test_every_key_of_the_lab_file_is_described_and_no_other(heading: str, model: type[BaseModel]) -> None:
    assert list(described(heading)) == list(model.model_fields)


@pytest.mark.parametrize(("heading", "model"), SECTIONS, ids=str)
def test_editors_show_the_words_of_the_reference(heading: str, model: type[BaseModel]) -> None:
    assert described(heading) == {name: field.description for name, field in model.model_fields.items()}


def described(heading: str) -> dict[str, str]:
    """Read what a section says of each key; without links, which editors cannot follow."""
    section = LAB_FILE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| \**`(\w+)`\** \| .* \| (.*) \|$", section, re.MULTILINE)
    alone = re.compile(r" \[[^]]+\]\([^)]*\)\.(?= |$)")
    return {key: re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", alone.sub("", words)).replace("**", "") for key, words in rows}


def test_the_schema_describes_every_key() -> None:
    silent = [where for where, key in keys(form.whole().model_json_schema()) if not key.get("description")]
    assert not silent


def keys(schema: object, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Find all keys of a JSON Schema, wherever they are."""
    if isinstance(schema, dict):
        for name, key in schema.get("properties", {}).items():
            yield f"{where}/{name}", key
    parts = schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
    for name, part in parts:
        yield from keys(part, f"{where}/{name}")


def test_the_examples_of_lab_files_are_some() -> None:
    examples = re.findall(r"^```yaml\n(.*?)^```$", LAB_FILE, re.DOTALL | re.MULTILINE)
    assert [reading.parse(text, "example").name for text in examples] == [
        "forwardings",
        "machines",
        "routers",
        "fabric",
        "hybrid",
    ]


def test_the_defaults_of_the_lab_file_are_those_described() -> None:
    for name, field in labfile.LabFile.model_fields.items():
        if isinstance(field.default, str):
            assert f"| `{name}` | `{field.default}` |" in LAB_FILE


def test_every_option_of_the_agent_is_described_and_no_other() -> None:
    described = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/reference/agent.md").read_text(), re.MULTILINE)
    assert described == [option.name for _, options in config.list_opts() for option in options]


def test_every_command_is_in_the_readme() -> None:
    import tomllib

    commands = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["fakevm.cli"]
    section = (ROOT / "README.md").read_text().split("## Every command")[1].split("\n## ")[0]
    missing = [name for name in commands if not all(word in section for word in name.split("_"))]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_map_of_the_architecture_names_files_that_are_there() -> None:
    section = (ROOT / "ARCHITECTURE.md").read_text().split("## Where do I find")[1].split("\n## ")[0]
    for row in re.findall(r"^\| .* \| (.*) \|$", section, re.MULTILINE):
        folder = ""
        for path in re.findall(r"`([\w/.]+)`", row):
            folder = path.rpartition("/")[0] or folder
            where = ROOT / "src/fakevm"
            assert (where / path).exists() or (where / folder / path).exists(), path
