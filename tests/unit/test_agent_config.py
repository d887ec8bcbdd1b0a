"""The agent's options; each reading in a process of its own, as oslo.config's object is one for all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

READ = "import sys; from fakevm.agent import config; print(config.load(sys.argv[1:]).fakevm.report_interval)"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", "30"),
        ("[AGENT]\nreport_interval = 10\n", "10"),
        ("[AGENT]\nreport_interval = 10\n[fakevm]\nreport_interval = 5\n", "5"),
    ],
)
def test_it_reports_as_often_as_neutrons_agents(tmp_path: Path, written: str, expected: str) -> None:
    path = tmp_path / "neutron.conf"
    path.write_text(written)
    done = subprocess.run(
        [sys.executable, "-c", READ, "--config-file", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == float(expected)
