"""Source trees for tests: they build themselves, so that no network is needed to install them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

_SETUP = """\
[build-system]
requires = []
build-backend = "build_me"
backend-path = ["."]
[project]
name = "{name}"
"""
_BACKEND = '''\
"""A build backend (PEP 517, 660) that knows nothing but this tree."""
import json, pathlib, zipfile

SAID = json.loads(pathlib.Path("build_me.json").read_text())
NAME = SAID["name"]


def build_editable(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder, {f"_{NAME}.pth": str(pathlib.Path.cwd())})


def build_wheel(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder, {f"{NAME}.py": pathlib.Path(f"{NAME}.py").read_text()})


def _wheel(folder, files):
    info = f"{NAME}-1.0.dist-info"
    needs = f"Requires-Dist: {SAID['requires']}\\n" if SAID["requires"] else ""
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\\nName: {NAME}\\nVersion: 1.0\\n{needs}"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: me\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[f"{info}/entry_points.txt"] = SAID["points"]
    files[f"{info}/RECORD"] = "".join(f"{name},,\\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(pathlib.Path(folder, f"{NAME}-1.0-py3-none-any.whl"), "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return f"{NAME}-1.0-py3-none-any.whl"
'''


def package(
    path: Path, name: str = "", *, requires: str = "", points: str = "", files: Mapping[str, str] | None = None
) -> Path:
    """Make a source tree of a project (by default called as the folder), with one module of its name.

    :param requires: a requirement of it
    :param points: its entry points, as in ``entry_points.txt``
    :param files: more files, by their paths in it
    """
    name = name or path.name
    said = json.dumps({"name": name, "requires": requires, "points": points})
    own = {"pyproject.toml": _SETUP.format(name=name), "build_me.py": _BACKEND, "build_me.json": said}
    for file, text in {**own, f"{name}.py": "where = 'tree'\n", **(files or {})}.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_text(text)
    return path
