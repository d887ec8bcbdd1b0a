"""The logs of a lab's programs."""

from __future__ import annotations

from pathlib import Path

from fakevm.errors import NotFound
from fakevm.model.lab import LabRecord
from fakevm.model.verdict import verdict

# How much of a log's end is looked at (bytes): tracebacks of Neutron's are long, and it tells them line by line.
_TAIL = 30000


def last_words(record: LabRecord, program: str, lines: int = 5) -> str:
    """Give the last lines that a program (``neutron-api``, ``compute1/ovs-vswitchd``) wrote.

    What ended a program of Python's comes before them: the next copy of it may have begun, and written more.
    """
    host, _, name = program.rpartition("/")
    folder = record.host_directory(host) if host else record.directory
    try:
        with (folder / f"log/{name}.log").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return verdict(text) or "\n".join(text.strip().splitlines()[-lines:])


def find(record: LabRecord, wanted: str = "") -> list[Path]:
    """Find logs: of a program (``neutron-api``), of a host's program (``compute1/ovs-vswitchd``), of a host, or all.

    Raises NotFound, naming what there is.
    """
    known = {path.stem: path for path in sorted(record.directory.glob("log/*.log"))}
    for host in record.hosts:
        for path in sorted(record.host_directory(host.name).glob("log/*.log")):
            known[f"{host.name}/{path.stem}"] = path
    if not wanted:
        return list(known.values())
    found = [path for name, path in known.items() if name == wanted or name.split("/")[-1] == wanted]
    found += [path for name, path in known.items() if name.startswith(f"{wanted}/")]
    if not found:
        raise NotFound(f"no program {wanted!r} has a log", hint=f"There are: {', '.join(known)}.")
    return list(dict.fromkeys(found))
