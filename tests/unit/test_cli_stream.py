from __future__ import annotations

import subprocess
import sys

LOOK = """
import io, sys
from fakevm.cli import stream
stream.prepare()
for text in (sys.stdout, sys.stderr):
    print(type(text.buffer) is io.BufferedWriter and type(text.buffer.raw) is io.FileIO)
"""


def test_nothing_that_can_be_interrupted_stands_between_the_buffer_and_the_file() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
