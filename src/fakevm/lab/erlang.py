"""RabbitMQ's node, started by Erlang itself, on libraries that it need not read whole.

The shells of Debian's ``rabbitmq-server`` would stand between the node and its supervisor. And as it boots, RabbitMQ
loads every module that any application's ``.app`` file lists, to look for those that have boot steps or feature flags
(3.10, rabbit_misc:all_module_attributes/1), and asks each of its plugins what it is. So it gets folders of links to
the same modules, for what it needs, with ``.app`` files that list only those in which these words stand.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fakevm.errors import Prerequisite
from fakevm.release import cache

LOG = logging.getLogger(__name__)
_ROOT = Path("/usr/lib/erlang")
_RABBIT = Path("/usr/lib/rabbitmq/lib")
# What RabbitMQ 3.10 and 4.0 ask all modules for: rabbit_boot_steps, rabbit_feature_flags, rabbit_version.
_ASKED_FOR = (b"rabbit_boot_step", b"rabbit_feature_flag", b"rabbit_upgrade", b"rabbit_mnesia_upgrade")
# RabbitMQ starts Mnesia by itself, and does not say that it needs it.
_BROKER = ("rabbit", "mnesia")
# Erlang loads these before it looks at ERL_LIBS.
_LOADED_BEFORE = ("kernel", "stdlib")
# It looks up its own modules (0.16, khepri_utils:init_list_of_modules_to_skip/0). RabbitMQ 4.0 does not ask these.
_WHOLE = "khepri"
_MODULES = re.compile(r"\{\s*modules\s*,\s*\[.*?\]\s*\}", re.DOTALL)
_NEEDED = re.compile(r"\{\s*(?:optional_|included_)?applications\s*,\s*\[(.*?)\]\s*\}", re.DOTALL)
# Changes when these folders are to be others than those that an earlier FakeVM made.
_KIND = "needed"
# Where RabbitMQ would find settings of its own kind (3.10, rabbit_env); otherwise in /etc/rabbitmq.
_SETTINGS = (
    "RABBITMQ_CONFIG_FILE",
    "RABBITMQ_CONFIG_FILES",
    "RABBITMQ_ADVANCED_CONFIG_FILE",
    "RABBITMQ_CONF_ENV_FILE",
)
# The node need not ask epmd, a daemon that only tells this number (erl, -erl_epmd_port).
_DISTRIBUTION_PORT = 25672


class Erlang(NamedTuple):
    """Where Erlang's starter is, and RabbitMQ."""

    starter: Path
    rabbit: Path


def find() -> Erlang:
    """Find Erlang and RabbitMQ as Debian installs them. Raises Prerequisite."""
    starters = sorted(_ROOT.glob("erts-*/bin/erlexec"))
    rabbits = sorted(path.parent for path in _RABBIT.glob("rabbitmq_server-*/plugins"))
    if not starters or not rabbits:
        missing = _ROOT if not starters else _RABBIT
        raise Prerequisite(f"there is no RabbitMQ in {missing}", hint="Install Debian's package rabbitmq-server.")
    return Erlang(starters[-1], rabbits[-1])


def command(erlang: Erlang, node: str, settings: str) -> tuple[str, ...]:
    """Give the command that becomes RabbitMQ's node, as rabbitmq-server 3.10 to 4.0 would call it in the end.

    ``settings`` is a file of Erlang's own, without its ``.config``: RabbitMQ translates one of its own kind by rules of
    all its plugins, which it reads for a tenth of its start.
    """
    memory = ("+MBas", "ageffcbf", "+MHas", "ageffcbf", "+MBlmbcs", "512", "+MHlmbcs", "512", "+MMmcs", "30")
    limits = ("+P", "65536", "+t", "5000000", "+zdbbl", "128000")
    # One scheduler, no busy waiting: several labs share few cores.
    scheduling = ("+S", "1:1", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none")
    name = ("-sname", node, "-start_epmd", "false", "-erl_epmd_port", str(_DISTRIBUTION_PORT))
    logging_ = ("-syslog", "logger", "[]", "-syslog", "syslog_error_logger", "false")
    return (
        str(erlang.starter), "-noinput", "-s", "rabbit", "boot", "-boot", "start_sasl", "+W", "w", "+B", "i",
        *memory, *limits, *scheduling, *name, *logging_, "-config", settings,
        "-kernel", "prevent_overlapping_partitions", "false",
    )  # fmt: skip


def environment(erlang: Erlang) -> dict[str, str]:
    """Give what the starter reads of its environment, and ``rabbitmq-env`` would set."""
    found = str(libraries(erlang))
    return {
        "ROOTDIR": str(_ROOT),
        "BINDIR": str(erlang.starter.parent),
        "EMU": "beam",
        "PROGNAME": "erl",
        "ERL_LIBS": found,
        "ERL_MAX_ETS_TABLES": "50000",
        "ERL_MAX_PORTS": "65536",
        "RABBITMQ_HOME": str(erlang.rabbit),
        "RABBITMQ_PLUGINS_DIR": found,
        # The machine's own settings are not this node's.
        **dict.fromkeys(_SETTINGS, "/nonexistent"),
    }


def libraries(erlang: Erlang) -> Path:
    """Find or make the folders of links in the cache; where these cannot be written, RabbitMQ's own: slower."""
    name = f"{erlang.rabbit.name}-{_fingerprint(erlang)}"
    places = [place / "broker" / name for place in cache.search()]
    ready = next((place for place in places if os.access(place, os.R_OK | os.X_OK)), None)
    if ready:
        return ready
    try:
        return _make(erlang, places[0])
    except OSError as exc:
        LOG.debug("RabbitMQ loads all of its modules, as %s cannot be made: %s", places[0], exc)
        return erlang.rabbit / "plugins"


def _fingerprint(erlang: Erlang) -> str:
    """Tell one installation from another: an upgrade writes these files anew."""
    files = [erlang.starter, *erlang.rabbit.glob("plugins/rabbit-*/ebin/rabbit.app")]
    text = " ".join([_KIND, *(f"{path} {path.stat().st_mtime_ns}" for path in files)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _make(erlang: Erlang, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    try:
        made.chmod(0o755)
        for application in _applications(erlang):
            _link(application, made / application.name)
        made.rename(target)
    except OSError:
        # Another lab may have made them meanwhile.
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target


def _applications(erlang: Erlang) -> Iterator[Path]:
    """Find RabbitMQ and what it needs, as the ``.app`` files say: what is looked for elsewhere, Erlang finds, too."""
    there = {
        path.name.partition("-")[0]: path
        for folder in (_ROOT / "lib", erlang.rabbit / "plugins")
        for path in sorted(folder.iterdir())
        if (path / "ebin").is_dir()
    }
    wanted, seen = list(_BROKER), set(_LOADED_BEFORE)
    while wanted:
        name = wanted.pop()
        if name not in seen and name in there:
            yield there[name]
            text = "".join(path.read_text() for path in (there[name] / "ebin").glob("*.app"))
            wanted += [word for listed in _NEEDED.findall(text) for word in re.findall(r"\w+", listed)]
        seen.add(name)


def _link(application: Path, target: Path) -> None:
    (target / "ebin").mkdir(parents=True)
    if (application / "priv").exists():
        (target / "priv").symlink_to(application / "priv")
    asked_for = []
    for path in sorted((application / "ebin").iterdir()):
        if path.suffix == ".app":
            continue
        (target / "ebin" / path.name).symlink_to(path)
        if path.suffix == ".beam" and _is_asked_for(path):
            asked_for.append(f"'{path.stem}'")
    listed = f"{{modules,[{','.join(asked_for)}]}}"
    for path in (application / "ebin").glob("*.app"):
        text = path.read_text()
        text = text if path.stem == _WHOLE else _MODULES.sub(lambda _: listed, text, count=1)
        (target / "ebin" / path.name).write_text(text)


def _is_asked_for(beam: Path) -> bool:
    text = beam.read_bytes()
    return any(word in text for word in _ASKED_FOR)
