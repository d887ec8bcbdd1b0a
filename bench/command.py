"""Runs FakeVM's own commands as a user would, in the lab of the measurement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FAKEVM = str(Path(sys.prefix) / "bin/fakevm")
LAB = f"bench-{os.getpid()}"


def environment() -> dict[str, str]:
    """Give our environment, without what it says of other labs and clouds, and that nothing compiled is to be kept."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    for name in ("FAKEVM_TRANSPORT_URL", "PYTHONDONTWRITEBYTECODE"):
        kept.pop(name, None)
    return kept | {"FAKEVM_LAB": LAB}


def run(argv: Sequence[str], timeout: float = 600.0) -> str:
    """Run a program to its end and return its output; exits with its last words when it fails."""
    done = subprocess.run(
        argv, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(argv)} ended with {done.returncode}:\n{done.stderr or done.stdout}")
    return done.stdout


def fakevm(*words: str) -> str:
    """Run ``fakevm``."""
    return run([FAKEVM, *words])


def fakevm_json(*words: str) -> Any:
    """Run ``fakevm`` and read what it shows."""
    return json.loads(fakevm(*words, "-f", "json"))


def timed(*words: str) -> float:
    """Run ``fakevm`` and return how many seconds it took, with its own start."""
    begin = time.perf_counter()
    fakevm(*words)
    return time.perf_counter() - begin
