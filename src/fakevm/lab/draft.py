"""Commented lab files to begin with: ``fakevm lab init``."""

from __future__ import annotations

from pathlib import Path

from fakevm.errors import Conflict, FakevmError, NotFound
from fakevm.model.labfile.reference import suggestion

_FOLDER = Path(__file__).parent / "templates"


def names() -> list[str]:
    """Name the templates."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def text(name: str) -> str:
    """Read a template. Raises NotFound with the nearest name."""
    if name not in names():
        raise NotFound(f"there is no template {name!r}", hint=suggestion(name, names()))
    return (_FOLDER / f"{name}.yaml").read_text()


def about(name: str) -> str:
    """Say what a template is: its first line."""
    return text(name).partition("\n")[0].lstrip("# ")


def write(name: str, path: Path) -> None:
    """Write a template to a file that is not there yet. Raises NotFound, Conflict, FakevmError."""
    content = text(name)
    try:
        with path.open("x") as file:
            file.write(content)
    except FileExistsError as exc:
        raise Conflict(f"{path} is there already", hint="Choose another --output.") from exc
    except OSError as exc:
        raise FakevmError(f"cannot write {path}: {exc.strerror}") from exc
