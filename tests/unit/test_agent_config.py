"""The agent's options; each reading in a process of its own, as oslo.config's object is one for all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fakevm.agent import alone

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


# -- without oslo's libraries ------------------------------------------------------------------------------------

ALONE = "[fakevm]\nhost = h\nfakevm_agent_plugin = none\nstate_path = /s\nsocket = /s/socket\n"


@pytest.mark.parametrize(
    ("written", "further", "is_one"),
    [
        (ALONE, (), True),
        (ALONE, ("--debug",), False),
        (ALONE + "nova_conf = /x\n", (), False),
        (ALONE + "[DEFAULT]\ndebug = true\n[ovs]\nx = 1\n", (), False),
        (ALONE.replace("socket = /s/socket\n", ""), (), False),
        ("no file of options", (), False),
    ],
)
def test_an_agent_that_is_told_only_of_its_socket_is_known(
    tmp_path: Path, written: str, further: tuple[str, ...], is_one: bool
) -> None:
    path = tmp_path / "fakevm.ini"
    path.write_text(written)
    conf = alone.load(["--config-file", str(path), *further])
    assert (conf is not None) is is_one
    if conf:
        assert vars(conf.fakevm) == {
            "host": "h", "fakevm_agent_plugin": "none", "state_path": "/s", "socket": "/s/socket"
        }  # fmt: skip


def test_it_starts_without_oslos_libraries_and_pyroute2(tmp_path: Path) -> None:
    path = tmp_path / "fakevm.ini"
    path.write_text(ALONE.replace("/s", str(tmp_path)))
    start = (
        "import sys; from fakevm.agent import alone, main; agent = main.Agent(alone.load(sys.argv[1:]));"
        "agent.start();"
        "print(sorted({'oslo_config', 'oslo_log', 'oslo_messaging', 'psutil', 'pyroute2'} & {*sys.modules}));"
        "agent.stop()"
    )
    done = subprocess.run(
        [sys.executable, "-c", start, "--config-file", str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
