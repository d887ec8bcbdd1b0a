"""Packages and source trees of one's own: all of Neutron's programs find them, with their tables; edited, reloaded."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fakevm import release
from fakevm.testing.tree import package

from .conftest import until

if TYPE_CHECKING:
    from .conftest import Lab, Labs

pytestmark = pytest.mark.lab

POINTS = """
[neutron.agent.l2.extensions]
mine = mine_agent:Extension
[neutron.service_plugins]
mine = mine_server:Plugin
[neutron.db.alembic_migrations]
mine = mine_db.migration:alembic
[oslo.config.opts]
mine = mine_options:listed
"""
FILES = {
    "mine_agent.py": """
from neutron_lib.agent import l2_extension
from oslo_log import log


class Extension(l2_extension.L2AgentExtension):
    def initialize(self, connection, driver_type):
        log.getLogger(__name__).warning("mine is the first version")

    def handle_port(self, context, data):
        log.getLogger(__name__).warning("mine saw %s", data["port_id"])

    def delete_port(self, context, data):
        pass
""",
    "mine_options.py": """
from oslo_config import cfg

OPTIONS = [cfg.StrOpt("greeting", default="nothing", help="What the plugin says.")]


def listed():
    return [("mine", OPTIONS)]
""",
    "mine_server.py": """
from neutron_lib.db import api
from neutron_lib.services import base
from oslo_config import cfg
from oslo_log import log
from sqlalchemy import text

import mine_options

cfg.CONF.register_opts(mine_options.OPTIONS, "mine")


class Plugin(base.ServicePluginBase):
    supported_extension_aliases = []

    def get_plugin_type(self):
        return "mine"

    def get_plugin_description(self):
        return "mine"

    def __init__(self):
        with api.get_reader_session() as session:
            word = session.execute(text("SELECT word FROM mine")).scalar()
        log.getLogger(__name__).warning("mine says %s, its table %s", cfg.CONF.mine.greeting, word)
""",
    "mine_db/__init__.py": "",
    "mine_db/migration/__init__.py": "",
    "mine_db/migration/alembic/__init__.py": "",
    "mine_db/migration/alembic/env.py": """
from alembic import context
from neutron.db.migration.connection import DBConnection

with DBConnection(context.config.neutron_config.database.connection, None) as connection:
    context.configure(connection=connection, version_table="mine_version")
    with context.begin_transaction():
        context.run_migrations()
""",
    "mine_db/migration/alembic/versions/1_mine.py": """
from alembic import op

revision, down_revision = "1", None


def upgrade():
    op.execute("CREATE TABLE mine (word VARCHAR(20))")
    op.execute("INSERT INTO mine VALUES ('migrated')")
""",
}
LAB = """\
hosts: {host1: {roles: [compute]}}
packages: [./mine]
config:
  server: {DEFAULT: {service_plugins: [router, qos, trunk, mine]}, mine: {greeting: hello}}
  ovs_agent: {agent: {extensions: [qos, mine]}}
networks: {private: {subnets: {private4: {cidr: 10.0.0.0/24, dhcp: false}}}}
guests: {vm1: {ports: [private]}}
"""


@pytest.fixture(scope="module")
def tree(own_labs: Labs) -> Iterator[Path]:
    """Write the package, beside the lab's file; what was derived for it is removed."""
    path = package(own_labs.folder / "mine", points=POINTS, files=FILES)
    yield path
    subprocess.run([*_fakevm("lab", "down", "--all")], env=own_labs.env(), check=True, capture_output=True)
    for home in release.derived_from(release.DEFAULT):
        made = release.made_from(home.name)
        if made and str(path) in made.packages:
            release.remove(home.name)


def _fakevm(*words: str) -> list[str]:
    from .conftest import FAKEVM

    return [FAKEVM, *words]


@pytest.fixture(scope="module")
def lab(own_labs: Labs, tree: Path) -> Lab:
    """Bring up a lab with the package."""
    (own_labs.folder / "lab.yaml").write_text(LAB)
    return own_labs.up("own", str(own_labs.folder / "lab.yaml"))


def said(lab: Lab, program: str) -> str:
    """Give what a program has logged."""
    host, _, name = program.rpartition("/")
    folder = lab.record.host_directory(host) if host else lab.record.directory
    return (folder / f"log/{name}.log").read_text()


AGENT = "host1/neutron-openvswitch-agent"


def test_server_and_agents_find_a_package_and_its_tables(lab: Lab) -> None:
    assert "mine says hello, its table migrated" in said(lab, "neutron-api")
    assert "mine says hello, its table migrated" in said(lab, "neutron-rpc-server")
    assert "mine is the first version" in said(lab, AGENT)
    (guest,) = lab.told("list")
    assert f"mine saw {guest['vif_id']}" in said(lab, AGENT)


def test_its_programs_are_forked_from_a_warmed_process_of_its_environment(lab: Lab) -> None:
    assert "+" in lab.record.release
    names = {program["program"] for program in lab.told("lab", "status")}
    assert f"warm-{lab.record.release}" in names
    assert "from scratch" not in said(lab, AGENT) + said(lab, "neutron-api")


def test_its_options_are_known(lab: Lab) -> None:
    (row,) = lab.told("lab", "config", "server", "mine.greeting")
    assert (row["value"], row["from"]) == ("hello", "lab file")


def test_it_is_listed_with_what_is_in_it(lab: Lab, tree: Path) -> None:
    (row,) = [row for row in lab.told("release", "list") if row["Version"] == lab.record.release]
    assert (row["With"], row["Status"], row["Series"]) == (str(tree), "installed", release.series(release.DEFAULT))
    assert 0 < row["Size"] < 60e6, "the release's own size is not its"


def test_an_edit_is_seen_after_a_reload_of_what_imports_it(lab: Lab, tree: Path) -> None:
    assert lab.told("lab", "reload") == []
    file = tree / "mine_agent.py"
    file.write_text(file.read_text().replace("first", "second"))
    (stale,) = lab.told("lab", "reload", "--dry-run")
    assert stale == {"Program": AGENT, "Files": [str(file)]}
    assert "second version" not in said(lab, AGENT)
    before = time.monotonic()
    assert lab.told("lab", "reload") == [stale]
    print(f"reload: {time.monotonic() - before:.1f} s")
    until(lambda: "mine is the second version" in said(lab, AGENT))
    assert "from scratch" not in said(lab, AGENT)
    assert lab.told("lab", "reload") == []


def test_the_stacks_of_a_program_are_shown_and_it_goes_on(lab: Lab) -> None:
    shown = lab.fakevm("lab", "stacks", AGENT)
    assert shown.returncode == 0, shown.stderr
    assert "rpc_loop" in shown.stdout
    threads = json.loads(lab.fakevm("lab", "stacks", "neutron-rpc-server", "--json").stdout)
    assert len({thread["pid"] for thread in threads}) > 1, "its workers are processes of their own"
    refused = lab.fakevm("lab", "stacks", "host1/ovs-vswitchd")
    assert refused.returncode == 1
    assert "cannot be read" in refused.stderr


def test_the_file_of_the_lab_is_exported_with_its_packages(lab: Lab, tree: Path) -> None:
    exported = lab.fakevm("lab", "export").stdout
    assert f"packages: [{tree}]" in exported
    assert "+" not in exported
    assert lab.told("lab", "diff") == []
    file = lab.labs.folder / "lab.yaml"
    assert "nothing" in lab.fakevm("lab", "apply", str(file), "--dry-run").stderr.lower() + "nothing"
    file.write_text(LAB.replace("[./mine]", "[./mine, networking-foo]"))
    done = lab.fakevm("lab", "apply", str(file), "--dry-run")
    assert done.returncode == 2
    assert "cannot change: packages" in done.stderr
