"""The options and the log of an agent that takes calls at a socket: without oslo's libraries.

To import them is half of the start of such an agent, and there is no Neutron whose files must be understood.
"""

from __future__ import annotations

import argparse
import configparser
import logging
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

GROUP = "fakevm"
# What such an agent is told, all of it.
_OPTIONS = ("host", "fakevm_agent_plugin", "state_path", "socket")
_FORM = "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [-] %(message)s"


def load(argv: Sequence[str]) -> Any:
    """Read the options, in the form of oslo.config's object; None: it is no such agent, or is told more than that."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-file", action="append", default=[])
    parsed, others = parser.parse_known_args(argv)
    files = configparser.ConfigParser(interpolation=None)
    try:
        # One that is not there is told by who reads it in earnest.
        files.read(parsed.config_file)
    except (configparser.Error, UnicodeDecodeError):
        return None
    told = dict(files[GROUP]) if files.has_section(GROUP) else {}
    if others or files.sections() != [GROUP] or set(told) != set(_OPTIONS):
        return None
    return SimpleNamespace(**{GROUP: SimpleNamespace(**told)})


def set_up_logging() -> None:
    """Write what oslo.log would write."""
    logging.basicConfig(level=logging.INFO, format=_FORM, datefmt="%Y-%m-%d %H:%M:%S")
