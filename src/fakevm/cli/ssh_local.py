"""``ssh`` into guests of a lab on this machine: become the stock client, or (``--stdio``) the connection of one.

Nothing heavy may be imported here: neither cliff, nor openstacksdk, nor oslo.
"""

from __future__ import annotations

import argparse
import functools
import shlex
import sys
import time

from fakevm.cli.choice import chosen, is_group
from fakevm.cli.exec_local import GRACE, become
from fakevm.cli.exec_parser import SSH_FLAGS, SSH_VALUED
from fakevm.errors import Conflict, FakevmError, InvalidInput, NotFound
from fakevm.lab import roster
from fakevm.lab.roster import Entry
from fakevm.lab.ssh import client, keys, server
from fakevm.model.lab import LabRecord
from fakevm.names import guest_file

# How long (seconds) a guest that moves may sleep on both hosts, until it is looked for in vain.
_MOVING = 30.0
# How long (seconds) what became of a guest is looked for, after a connection to it broke off.
_SETTLING = 3.0
_PAUSE = 0.1
PACKAGE = "openssh-client"


def run(lab: LabRecord, parsed: argparse.Namespace) -> int:
    """Do what is asked for; returns the exit status, or does not come back. Raises FakevmError."""
    if parsed.stdio:
        return _connection(lab, parsed.stdio, parsed.jump)
    if parsed.ended:
        return _told_why(lab, parsed.ended)
    _require_client()
    if is_group(parsed):
        return _several(lab, parsed)
    guest = _find(lab, parsed.vif, parsed.host)
    argv = _client(lab, guest, parsed)
    if parsed.timeout:
        argv = ["timeout", "--foreground", f"--kill-after={GRACE}", f"{parsed.timeout:g}", *argv]
    ended = f"{keys.mark(guest.id)}@{guest.host}@{_boot(lab, guest)}"
    become(["sh", "-c", _THEN, "sh", shlex.join([*client.ourselves(lab), "--ended", ended]), *argv])
    raise AssertionError("unreachable")


# $1 is a line for when there was no connection, or one that broke off (255); the client follows. It ends with this
# shell, which leaves Ctrl-C to it.
_THEN = """
trap : INT QUIT
why=$1; shift
setpriv --pdeathsig TERM "$@"
status=$?
[ "$status" -ne 255 ] || eval "$why"
exit "$status"
"""


def _boot(lab: LabRecord, guest: Entry) -> str:
    """Name what is another after a guest was rebooted: when its record was written; "" when it has none."""
    try:
        return str((lab.host_directory(guest.host) / "agent/guests" / guest_file(guest.id)).stat().st_mtime_ns)
    except OSError:
        return ""


def _told_why(lab: LabRecord, ended: str) -> int:
    """Say what became of a guest whose connection broke off: its mark, host and boot; returns the exit status."""
    mark, host, boot = ended.split("@")
    deadline = time.monotonic() + _SETTLING
    # What runs in a guest is ended first, and then its record says so.
    while not (said := _became(lab, mark, host, boot)) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    if said:
        print(f"error: {said}", file=sys.stderr)
    return 255


def _became(lab: LabRecord, mark: str, host: str, boot: str) -> str:
    """Say what became of a guest; empty: nothing, or nothing yet."""
    guest = next((each for each in roster.entries(lab) if keys.mark(each.id) == mark), None)
    if guest is None:
        return "the guest was removed"
    if guest.state == "stopped":
        return f"the guest {guest.title} was stopped"
    if guest.state != "running" or guest.asleep:
        return ""
    if guest.host != host:
        return f"the guest {guest.title} has moved to {guest.host}: connect again"
    return "" if _boot(lab, guest) == boot else f"the guest {guest.title} was rebooted meanwhile: connect again"


def _require_client() -> None:
    import shutil

    from fakevm.errors import Prerequisite

    if not shutil.which("ssh"):
        raise Prerequisite("there is no program ssh", hint=f"apt-get install {PACKAGE}")


def _several(lab: LabRecord, parsed: argparse.Namespace) -> int:
    from fakevm.cli import group
    from fakevm.cli.failure import end_tidily_on_signals

    end_tidily_on_signals()
    guests = chosen(parsed, roster.entries(lab, parsed.host))
    for guest in guests:
        keys.guest_key(lab, guest.id)

    def argv_of(guest: Entry) -> list[str]:
        # No connection of so many is to stay; one that is there is used.
        argv = _client(lab, guest, parsed, {"ControlMaster": "no", "BatchMode": "yes"})
        return ["timeout", f"--kill-after={GRACE}", f"{parsed.timeout:g}", *argv] if parsed.timeout else argv

    works = [group.Local(each.id, each.title, each.host, functools.partial(argv_of, each)) for each in guests]
    return group.run(works, as_json=parsed.format == "json", at_once=parsed.parallel)


def _client(lab: LabRecord, guest: Entry, parsed: argparse.Namespace, more: dict[str, str] | None = None) -> list[str]:
    """Build the call of the client. Raises NotFound, LabFailed, Prerequisite: the guest cannot be reached."""
    jump = parsed.jump or client.jumps(lab).get(guest.name)
    if jump:
        _refuse_itself(guest, _find(lab, jump, None))
    options = _options(lab, guest, jump) | (more or {})
    own = [word for name in SSH_VALUED for value in getattr(parsed, f"ssh{name}") for word in (name, value)]
    own += [name for name in SSH_FLAGS for _ in range(getattr(parsed, f"ssh{name}"))]
    return client.argv(options, [client.name_of(guest), *(["--", *parsed.command] if parsed.command else [])], own)


def _options(lab: LabRecord, guest: Entry, jump: str | None) -> dict[str, str]:
    """Give what the client is told; without a ``jump`` the guest is entered where it is now."""
    proxy = client.proxy_command(lab, guest.id, jump) if jump else server.line(lab, guest.host, guest.id, guest.title)
    return client.common(lab) | client.of_guest(lab, guest.id, proxy, jump)


def _refuse_itself(guest: Entry, through: Entry) -> None:
    if through.id == guest.id:
        raise InvalidInput(f"the guest {guest.title} is no way to itself")


def _find(lab: LabRecord, words: str, host: str | None) -> Entry:
    """Find a guest by the user's words; one that moves is waited for. Raises NotFound, Ambiguous, Conflict."""
    deadline = time.monotonic() + _MOVING
    while True:
        try:
            found = roster.choose_guest(lab, words, host)
            break
        except Conflict:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
    guests = roster.entries(lab, found[0] if found else None)
    if found is None:
        from fakevm.control.lookup import Candidate, not_found

        raise not_found(words, [Candidate(guest.id, guest.name, guest.id, guest.host) for guest in guests], {})
    return next(guest for guest in guests if guest.id == found[1])


# -- the connection ----------------------------------------------------------------------------------------------


def _connection(lab: LabRecord, mark: str, jump: str | None) -> int:
    """Be the server of a guest; what is wrong is told to the client, which may have thrown away standard error."""
    try:
        guest = _marked(lab, mark)
        if not jump:
            become(["sh", "-c", f"exec {server.line(lab, guest.host, guest.id, guest.title)}"])
        _by_way_of(lab, guest, _find(lab, str(jump), None))
    except FakevmError as problem:
        refuse(problem)
        return problem.exit_status
    return 0


def refuse(problem: FakevmError) -> None:
    """Tell a client why it is not connected."""
    from fakevm.lab.ssh import refusal

    refusal.tell(". ".join(filter(None, (problem.what, problem.hint))))


def _marked(lab: LabRecord, mark: str) -> Entry:
    """Find a guest by its mark; one that sleeps, as it moves, is waited for."""
    deadline = time.monotonic() + _MOVING
    while True:
        guest = next((each for each in roster.entries(lab) if keys.mark(each.id) == mark), None)
        if guest is None:
            raise NotFound(
                f"the guest is not in the lab {lab.name} any more", hint="fakevm ssh-config writes a new file."
            )
        if not guest.asleep:
            return guest
        if time.monotonic() > deadline:
            raise Conflict(f"the guest {guest.title} is asleep on {guest.host}: it is being moved, or its move was cut")
        time.sleep(_PAUSE)


def _by_way_of(lab: LabRecord, guest: Entry, through: Entry) -> None:
    from fakevm.lab.ssh import jump

    _refuse_itself(guest, through)
    jump.carry(lab, guest, through, _options(lab, through, client.jumps(lab).get(through.name)))
