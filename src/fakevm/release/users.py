"""Who runs programs of a release's environment just now."""

from __future__ import annotations

from pathlib import Path

from fakevm import errors


def processes(venv: Path) -> list[int]:
    """List the ids of the processes whose command line names a file of ``venv``; others' are seen too."""
    inside = f"{venv}/".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:  # it has ended
                continue
            # Programs of the environment are started by their full path: word 0, or word 1 behind its Python.
            if any(word.startswith(inside) for word in words[:2]):
                found.append(int(entry.name))
    return sorted(found)


def refuse_if_used(venv: Path) -> None:
    """Raise Conflict when a running lab would lose the ground it stands on."""
    if pids := processes(venv):
        some = ", ".join(map(str, pids[:8])) + (" …" if len(pids) > 8 else "")
        raise errors.Conflict(
            f"{venv} is in use by the processes {some}",
            hint="Take the labs that use it down first: fakevm lab list",
        )
