"""``python -m fakevm_keystone FOLDER``: make a lab's projects and users known to Keystone, once, and serve it.

FOLDER has ``keystone.conf``, and in ``known.json`` who is to be known. What comes of it is written there: the projects'
ids (``projects.json``), and a token that is good as long as the lab (``token``), for FakeVM's own commands. The token
comes last: where it is, all is known.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import keystone.server
from keystone.server.flask import application, core

from . import identities, serving

# Where Keystone's programs look for their files (keystone.server.flask.core).
_FOLDER = "OS_KEYSTONE_CONFIG_DIR"


def main() -> None:
    """Do it."""
    folder, inherited = Path(sys.argv[1]), int(sys.argv[2])
    # oslo.config takes what is left for options.
    del sys.argv[1:]
    # Sockets and files are this user's alone.
    os.umask(0o077)
    os.environ[_FOLDER] = str(folder)
    keystone.server.configure(config_files=[str(folder / "keystone.conf")])
    known = identities.Identities()
    if not (folder / "token").exists():
        told = json.loads((folder / "known.json").read_text())
        known.make(told)
        _write(folder / "projects.json", json.dumps(known.projects))
        _write(folder / "token", known.token(told["token_of"]))
    served = core.setup_app_middleware(application.application_factory("public"))
    serving.serve(served, inherited)


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


if __name__ == "__main__":
    main()
