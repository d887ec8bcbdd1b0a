"""The files and programs of a guest, for a program that is outside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import IO

# Arguments: the file, its mode, its owner (empty: root), what is done with a file that is there. In one step, but where
# it is appended to: nobody reads half of it.
_WRITE = r"""
file=$1 mode=$2 owner=$3 how=$4
mkdir -p "$(dirname "$file")" || exit
if [ "$how" = append ]; then cat >>"$file" || exit; new=$file
else new=$file.new.$$; cat >"$new" || exit; fi
chmod "$mode" "$new" || exit
if [ "$owner" ]; then chown "$owner" "$new" || exit; fi
[ "$new" = "$file" ] || mv -f "$new" "$file"
"""


class Inside:
    """A guest; ``enter`` is the argv before a command in it."""

    def __init__(self, enter: Sequence[str]) -> None:
        self._enter = list(enter)

    def run(self, command: Sequence[str], stdin: bytes = b"") -> tuple[int, str]:
        """Run a command in the guest to its end; gives its status, and what it said."""
        done = subprocess.run(
            [*self._enter, *command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return done.returncode, done.stdout.decode(errors="replace").strip()

    def do(self, command: Sequence[str], stdin: bytes = b"") -> str:
        """Run a command in the guest that must end well; says why it did not, or nothing."""
        status, said = self.run(command, stdin)
        return (said or f"status {status}") if status else ""

    def start(self, command: Sequence[str], output: IO[str] = sys.stdout) -> subprocess.Popen[bytes]:
        """Start a command in the guest, whose words go to ``output``."""
        return subprocess.Popen(
            [*self._enter, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )

    def write(self, path: str, content: bytes, *, mode: str = "0644", owner: str = "", append: bool = False) -> str:
        """Write a file of the guest's, with the folders around it; says why not, or nothing.

        :param mode: in octal digits
        :param owner: ``USER`` or ``USER:GROUP``; empty: root
        """
        how = "append" if append else "replace"
        return self.do(["sh", "-c", _WRITE, "sh", path, mode, owner, how], content)
