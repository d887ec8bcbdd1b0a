"""Fetches a tool's packages from Debian, and unpacks them in a folder of their own: the system is not touched.

No root is needed. apt works with lists, a cache and a status of its own: the machine's packages count as installed, so
that only what it lacks is fetched; what packages do when they are installed (users, services) is not done.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fakevm.errors import CommandFailed, FakevmError, Prerequisite
from fakevm.linux import lock
from fakevm.progress import SILENT, Progress
from fakevm.release import own_cache

from .catalogue import Tool, of
from .finding import Found, home, look

_STATUS = Path("/var/lib/dpkg/status")
# Longer than any installation takes (seconds).
_PATIENCE = 1800.0
_APT = ("apt-get", "dpkg")
_AGAIN = "Once the cause is gone, run the same again."


def install(name: str, progress: Progress = SILENT) -> Found:
    """Fetch a tool into this user's own cache, unless it is there, or is the machine's own.

    An interrupted installation leaves nothing. Raises NotFound, Prerequisite: no Debian, another machine than it is
    for, or a folder that cannot be written; CommandFailed: no network, a full disk…; TimedOut: another installation
    does not end.
    """
    if found := look(name):
        return found
    tool = of(name)
    if tool.is_for_others:
        raise Prerequisite(f"cannot install {name} ({tool.about})", hint=tool.how_to_get)
    if missing := [program for program in _APT if shutil.which(program) is None]:
        raise Prerequisite(
            f"{name} is fetched from Debian's packages, and there is no {missing[0]} here",
            hint=f"Install {name} by the means of this system: its own is used where it is there.",
        )
    place = home(name, own_cache())
    with _locked(place, progress):
        if not look(name):
            _fill(tool, place, progress)
    return Found(tool, place / "root")


def remove(name: str) -> bool:
    """Remove a tool from this user's own cache; False when it was not there. Raises NotFound, TimedOut."""
    place = home(of(name).name, own_cache())
    if not (place / "root").exists():
        return False
    with _locked(place, SILENT):
        (place / "complete").unlink(missing_ok=True)
        shutil.rmtree(place / "root")
    return True


@contextmanager
def _locked(place: Path, progress: Progress) -> Iterator[None]:
    """Keep other installers of this tool out."""
    try:
        for folder in (place.parent.parent, place.parent, place):
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o755)  # what root installs serves all users
        (place / "lock").touch()
    except OSError as exc:
        hint = "Set FAKEVM_CACHE to another folder."
        raise Prerequisite(f"cannot write to the cache {place}: {exc.strerror}", hint=hint) from exc
    with lock.held(place / "lock", _PATIENCE, lambda: progress.note("Waiting for another installation to end")):
        yield


def _fill(tool: Tool, place: Path, progress: Progress) -> None:
    work, root = place / "work", place / "root"
    for left in (work, root):
        shutil.rmtree(left, ignore_errors=True)
    try:
        apt = _Apt(tool, work)
        progress.note("Asking Debian for its packages")
        apt.update()
        progress.note(f"Fetching {', '.join(tool.packages)} and what they need")
        apt.download()
        debs = apt.debs()
        for number, deb in enumerate(debs, start=1):
            progress.seen(f"{number} of {len(debs)} packages unpacked")
            _run(["dpkg", "-x", str(deb), str(root)], f"cannot unpack {deb.name}")
        root.chmod(0o755)
        (place / "complete").write_text("\n".join(deb.name for deb in debs) + "\n")
    except BaseException as exc:
        shutil.rmtree(root, ignore_errors=True)
        if isinstance(exc, OSError):
            raise FakevmError(f"cannot install {tool.name} in {place}: {exc.strerror}", hint=_AGAIN) from exc
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _Apt:
    """Debian's package manager with folders of its own."""

    def __init__(self, tool: Tool, work: Path) -> None:
        self._tool = tool
        self._archives = work / "cache/archives"
        for folder in ("state/lists/partial", "cache/archives/partial", "sources.d"):
            (work / folder).mkdir(parents=True)
        (work / "status").write_text("" if tool.suite else _without(tool.packages))
        options = {
            "Dir::State": work / "state",
            "Dir::State::status": work / "status",
            "Dir::Cache": work / "cache",
            "Debug::NoLocking": 1,
            "APT::Sandbox::User": "",
            "APT::Update::Error-Mode": "any",
            "APT::Install-Recommends": 0,
            "Acquire::Languages": "none",
            "Acquire::Retries": 2,
            "Acquire::http::Timeout": 20,
            "Acquire::https::Timeout": 20,
        }
        if tool.suite:
            (work / "sources.list").write_text(f"deb {_archive()} {tool.suite} main\n")
            options |= {"Dir::Etc::sourcelist": work / "sources.list", "Dir::Etc::sourceparts": work / "sources.d"}
        self._options = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]

    def update(self) -> None:
        """Fetch the lists of packages. Raises CommandFailed."""
        self._get(["update"], "cannot ask Debian for its packages")

    def download(self) -> None:
        """Fetch the tool's packages and those that they need and the machine lacks. Raises CommandFailed."""
        self._get(["install", "--yes", "--download-only", *self._tool.packages], f"cannot fetch {self._tool.name}")

    def debs(self) -> list[Path]:
        """List what was fetched."""
        return sorted(self._archives.glob("*.deb"))

    def _get(self, arguments: Sequence[str], doing: str) -> None:
        _run(["apt-get", "-q", *self._options, *arguments], doing)


def _without(packages: Sequence[str]) -> str:
    """Read which packages the machine has, but for these: those are to be fetched."""
    paragraphs = re.split(r"\n\n+", _STATUS.read_text())
    names = tuple(f"Package: {name}\n" for name in packages)
    return "\n\n".join(paragraph for paragraph in paragraphs if not paragraph.startswith(names))


def _archive() -> str:
    """Name the archive that the machine gets its packages from. Raises CommandFailed."""
    sites = _run(["apt-get", "indextargets", "--format", "$(SITE)"], "cannot read the machine's sources of packages")
    found = [site for site in dict.fromkeys(sites.split()) if "security" not in site]
    return found[0] if found else "https://deb.debian.org/debian"


def _run(command: Sequence[str], doing: str) -> str:
    """Run a program to its end, with all that it starts; gives what it said. Raises CommandFailed."""
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
        env=environment, umask=0o022,
    )  # fmt: skip
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith(("E:", "W:", "dpkg"))]
        words = "; ".join(dict.fromkeys(line.removeprefix("E: ") for line in said)) or done.stderr.strip()[-500:]
        raise CommandFailed(f"{doing}: {words or f'{command[0]} ended with status {done.returncode}'}", hint=_AGAIN)
    return done.stdout
