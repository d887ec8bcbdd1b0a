"""Labs of an ordinary user: with one user id, and with as many as /etc/subuid gives."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from . import ordinary_user
from .conftest import FAKEVM, Labs

LAB = """\
neutron: false
guest_kind: container
hosts: {host1: {}}
images: {own: own.tar}
guests: {a: {}, b: {image: own}}
"""
# What is said of each: how many ids there are, whose file it is, who one can be, whose an image's file is; and
# whether the user's own tools are there.
IN_IT = f"""\
set -eu
fakevm() {{ {FAKEVM} "$@"; }}
fakevm lab up lab.yaml --name own >/dev/null
fakevm exec a -- sh -c 'awk "{{ n += \\$3 }} END {{ print n }}" /proc/self/uid_map'
fakevm exec a -- sh -c 'mkdir deep && touch deep/x && chown -R 1000:1000 . 2>/dev/null; stat -c %u deep/x'
fakevm exec a -- sh -c 'setpriv --reuid=1000 --regid=1000 --clear-groups id -u 2>/dev/null || echo nobody else'
fakevm exec b -- sh -c 'set -- $(ls -ln /bin/sh); echo $3' 2>/dev/null || fakevm exec a -- echo none
fakevm exec a -- test -d "$HOME/.cache/fakevm/tools" && echo my tools
fakevm lab down own
! ls "$FAKEVM_LABS"/own 2>/dev/null
"""


def _pack(archive: Path) -> None:
    """Make a root file system of a shell and ls, and what they are linked with, that belongs to user 1000."""

    def owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 1000
        return member

    files = {"/bin/sh", "/bin/ls"}
    for program in tuple(files):
        linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        files |= set(re.findall(r"/\S+", linked))
    with tarfile.open(archive, "w", dereference=True) as made:
        for file in sorted(files):
            made.add(file, filter=owned)


@pytest.mark.skipif(os.geteuid() != 0 or bool(ordinary_user.cannot()), reason="only root makes users, who need rights")
@pytest.mark.parametrize(
    ("subordinate", "said"),
    [
        pytest.param("", ["1", "0", "nobody else", "0", "my tools"], id="one id"),
        pytest.param(ordinary_user.RANGE, ["65536", "1000", "1000", "1000", "my tools"], id="a range"),
    ],
)
def test_a_lab_has_as_many_users_as_there_are_ids(labs: Labs, subordinate: str, said: list[str]) -> None:
    home = labs.folder / "home"
    home.mkdir()
    (home / "lab.yaml").write_text(LAB)
    _pack(home / "own.tar")
    argv = ordinary_user.command(labs, home, ["sh", "-c", IN_IT], subordinate=subordinate)
    done = subprocess.run(argv, env=labs.env(), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == said
