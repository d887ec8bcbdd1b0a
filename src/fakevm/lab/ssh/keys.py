"""The keys of a lab: one for those who log in, and one for each guest, made when it is first needed.

They are in the lab's folder, 0600, and go with it. Nothing heavy may be imported here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakevm.errors import LabFailed, Prerequisite
from fakevm.lab import files
from fakevm.linux import lock
from fakevm.model.lab import LabRecord

# How long (seconds) another command may take to make a key.
_PATIENCE = 30.0


def mark(guest_id: str) -> str:
    """Name a guest to ssh: its id may be anything."""
    return f"fakevm-{hashlib.sha256(guest_id.encode(errors='surrogateescape')).hexdigest()[:12]}"


def folder(lab: LabRecord) -> Path:
    """Name the folder of a lab's keys."""
    return lab.directory / "ssh"


def known_hosts(lab: LabRecord) -> Path:
    """Name the file of the guests' public keys."""
    return folder(lab) / "known_hosts"


def user_key(lab: LabRecord) -> Path:
    """Give the file of the private key with which users log in; its public key is beside it, ``.pub``.

    Raises Prerequisite, LabFailed: it cannot be made.
    """
    path = folder(lab) / "id"
    if not path.exists():
        with _changing(lab):
            _make(path, f"{lab.name}, a lab of FakeVM's")
    return path


def public_key(lab: LabRecord) -> str:
    """Give the public key with which users log in, as a line. Raises as ``user_key``."""
    return user_key(lab).with_suffix(".pub").read_text().strip()


def guest_key(lab: LabRecord, guest_id: str) -> Path:
    """Give the file of the private key of a guest; its public key is in ``known_hosts``. Raises as ``user_key``."""
    name = mark(guest_id)
    path = folder(lab) / f"{name}.key"
    if not path.exists():
        with _changing(lab):
            # Who has known_hosts written, and dies before the key is named so, has it written again.
            made = path.with_suffix(".made")
            _make(made, name)
            words = made.with_suffix(".pub").read_text().split()
            known = known_hosts(lab)
            lines = known.read_text().splitlines() if known.exists() else []
            kept = [line for line in lines if line.split(" ")[0] != name]
            files.write(known, "".join(f"{line}\n" for line in (*kept, f"{name} {words[0]} {words[1]}")))
            made.rename(path)
    return path


@contextmanager
def _changing(lab: LabRecord) -> Iterator[None]:
    try:
        folder(lab).mkdir(mode=0o700, exist_ok=True)
        with lock.held(folder(lab), _PATIENCE):
            yield
    except OSError as exc:
        raise LabFailed(f"the keys of lab {lab.name!r} cannot be written in {folder(lab)}: {exc.strerror}") from exc


def _make(path: Path, comment: str) -> None:
    """Make a pair of keys, unless another command has made it meanwhile; the private one appears last."""
    if path.exists():
        return
    new = path.with_suffix(".new")
    for left in (new, Path(f"{new}.pub")):
        left.unlink(missing_ok=True)
    import subprocess  # a key is made once

    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(new)]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError as exc:
        raise Prerequisite("there is no program ssh-keygen", hint="apt-get install openssh-client") from exc
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LabFailed(f"ssh-keygen cannot make a key in {path.parent}: {said[-1] if said else 'it does not say why'}")
    Path(f"{new}.pub").rename(path.with_suffix(".pub"))
    new.rename(path)
