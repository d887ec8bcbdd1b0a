"""``python -m fakevm_tempest list FOLDER`` and ``… run FOLDER WORKERS``: in FOLDER stestr keeps what it needs.

``list`` writes the id of each test, as JSON, a line each. ``run`` runs those of ``FOLDER/tests.txt`` in so many
processes, and writes a line for each that begins and for each that ended. FOLDER has Tempest's configuration,
``tempest.conf``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import tempest

from . import stream

# As `tempest init` writes it: tests of a class share what the class sets up, so they stay in one process.
_STESTR = """\
[DEFAULT]
test_path={package}/test_discover
top_dir={package}
group_regex=([^\\.]*\\.)*
"""


def main() -> int:
    """Do it; gives the exit status."""
    what, folder = sys.argv[1], Path(sys.argv[2])
    # Here stestr looks for its configuration, and both write what they keep.
    os.chdir(folder)
    package = Path(tempest.__file__).parent
    (folder / ".stestr.conf").write_text(_STESTR.format(package=package))
    stestr = str(Path(sys.executable).parent / "stestr")
    subprocess.run([stestr, "init"], stdout=subprocess.DEVNULL, check=True)
    if what == "list":
        return _list([stestr, "list"])
    return _run([stestr, "run", "--subunit", "--load-list", str(folder / "tests.txt"), "--concurrency", sys.argv[3]])


def _list(command: list[str]) -> int:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout)
        return done.returncode
    for line in done.stdout.splitlines():
        if "." in line:
            print(json.dumps(line.strip()))
    return 0


def _run(command: list[str]) -> int:
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        stream.read(process.stdout, _tell)
    # 1: tests have failed, of which each has been told.
    return 0 if process.returncode in (0, 1) else process.returncode


def _tell(event: dict[str, object]) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    sys.exit(main())
