"""The client's half: what the stock ``ssh`` is told to reach a guest, as options and as a file for ``ssh -F``.

Nothing heavy may be imported here.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fakevm.errors import InvalidInput
from fakevm.lab.roster import Entry
from fakevm.model.lab import LabRecord

from . import keys

# How long (seconds) a connection stays when nobody uses it.
PERSIST = 60
# sun_path holds 107 bytes (unix(7)); ssh makes a socket with a dot and 16 letters more, and renames it. Behind the name
# is the user's.
_LONGEST_SOCKET = 107 - 17 - len("-root") - 5


def common(lab: LabRecord) -> dict[str, str]:
    """Give what holds for every guest of a lab."""
    return {
        "User": "root",
        "IdentityFile": _word(str(keys.user_key(lab))),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": _word(str(keys.known_hosts(lab))),
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "PreferredAuthentications": "publickey",
        "GSSAPIAuthentication": "no",
        # The quickest: the way is a pipe.
        "KexAlgorithms": "curve25519-sha256",
    }


def shared(lab: LabRecord, guest_id: str, jump: str | None = None) -> dict[str, str]:
    """Have connections to a guest share one, of the same way and user, if a socket's name is not too long for that."""
    name = keys.mark(f"{guest_id}\n{jump}" if jump else guest_id).removeprefix("fakevm-")
    socket = str(keys.folder(lab) / name)
    if len(os.fsencode(socket)) > _LONGEST_SOCKET:
        return {}
    path = f'{_word(socket)[:-1]}-%r"'
    return {"ControlMaster": "auto", "ControlPersist": str(PERSIST), "ControlPath": path}


def of_guest(lab: LabRecord, guest_id: str, proxy: str, jump: str | None = None) -> dict[str, str]:
    """Give what holds for one guest; ``proxy`` is the shell's line that is its server, ``jump`` by way of whom."""
    own = {"HostKeyAlias": keys.mark(guest_id), "ProxyCommand": proxy.replace("%", "%%")}
    return own | shared(lab, guest_id, jump)


def argv(options: Mapping[str, str], words: Sequence[str], own: Sequence[str] = ()) -> list[str]:
    """Build a call of ``ssh`` that reads no file of the user's; ``own`` options of the user's come first, and count."""
    given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", *own, *given, *words]


def name_of(guest: Entry) -> str:
    """Give the name of a guest for ssh: its own, with ``-`` for what a name cannot have."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", guest.title).lstrip("-.") or "guest"


def names_of(guests: Iterable[Entry]) -> dict[str, str]:
    """Give the name that each guest has, by its id; those that would be called alike have a part of their mark behind.

    Users of ssh do not tell capital letters from small ones.
    """
    wanted = {guest.id: name_of(guest) for guest in guests}
    often = Counter(name.lower() for name in wanted.values())
    return {
        guest_id: name if often[name.lower()] == 1 else f"{name}-{keys.mark(guest_id)[7:13]}"
        for guest_id, name in wanted.items()
    }


def config(lab: LabRecord, guests: Sequence[Entry]) -> str:
    """Write a file for ``ssh -F``, or to be included: a block for each guest, by its name and as NAME.LAB."""
    named, ways = names_of(guests), jumps(lab)
    blocks = []
    for guest in guests:
        way = ways.get(guest.name)
        options = of_guest(lab, guest.id, proxy_command(lab, guest.id, way), way)
        blocks.append(_block(f"{named[guest.id]} {named[guest.id]}.{lab.name}", options))
    everybody = " ".join(f"{name} {name}.{lab.name}" for name in named.values())
    head = f"# The guests of the lab {lab.name}, by `fakevm ssh-config`. For `ssh -F FILE GUEST`, or Include it.\n"
    return "\n".join([head, *blocks, *([_block(everybody, common(lab))] if named else [])])


def proxy_command(lab: LabRecord, guest_id: str, jump: str | None = None) -> str:
    """Write the line that finds a guest wherever it is by then, and is its server."""
    way = ["--jump", jump] if jump else []
    return shlex.join([*ourselves(lab), *way, "--stdio", keys.mark(guest_id)])


def ourselves(lab: LabRecord) -> list[str]:
    """Give the words before those of our own `ssh`, for whoever does not have our variables."""
    program = str(Path(sys.argv[0]).absolute())
    return ["env", f"FAKEVM_LABS={lab.directory.parent}", program, "--lab", lab.name, "ssh"]


def jumps(lab: LabRecord) -> dict[str, str]:
    """Read from the lab's file through which other guest each is reached that has such a way, by their names."""
    try:
        guests = json.loads((lab.directory / "lab-file.json").read_text())["guests"]
    except (OSError, ValueError, KeyError):
        return {}
    return {name: way["jump"] for name, guest in guests.items() if (way := guest.get("ssh"))}


def _block(names: str, options: Mapping[str, str]) -> str:
    return f"Host {names}\n" + "".join(f"    {name} {value}\n" for name, value in options.items())


def _word(path: str) -> str:
    """Write a path as one word of ssh's configuration, in which ``%`` begins a token. Raises InvalidInput."""
    if not path.isprintable() or '"' in path or "\\" in path or "$" in path:
        raise InvalidInput(f"ssh cannot read {path!r} in its configuration", hint="Give FAKEVM_LABS another folder.")
    return f'"{path.replace("%", "%%")}"'
