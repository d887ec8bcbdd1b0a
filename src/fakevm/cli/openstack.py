"""The plugin of the ``openstack`` client: ``openstack fakevm create-port …``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

DEFAULT_API_VERSION = "1"
API_VERSION_OPTION = "os_fakevm_api_version"
API_NAME = "fakevm"
API_VERSIONS = ("1",)
NO_LAB = "FAKEVM_NO_LAB"
"""Says why the shell has no lab: ``fakevm lab env`` found none, and the client would only miss an ``auth-url``."""


def make_client(instance: Any) -> Any:
    """Give the SDK's connection: FakeVM has no API of its own."""
    return instance.sdk_connection


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the options that say where the message broker is; say why there is no cloud, if `lab env` left none."""
    if (why := os.environ.get(NO_LAB)) and not any(map(os.environ.get, ("OS_CLOUD", "OS_AUTH_URL", "OS_ENDPOINT"))):
        print(f"fakevm lab env: no lab was chosen: {why}", file=sys.stderr)
    parser.add_argument("--fakevm-lab", metavar="NAME", help="FakeVM: the lab to work with (or FAKEVM_LAB)")
    parser.add_argument(
        "--fakevm-config-file", metavar="FILE", action="append", default=[], dest="fakevm_config_files",
        help="FakeVM: a neutron.conf that gives the broker's transport_url (or FAKEVM_TRANSPORT_URL)",
    )  # fmt: skip
    return parser
