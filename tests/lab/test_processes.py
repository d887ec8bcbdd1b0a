"""Processes that move with their guest, and that come back from a folder, while a client has a connection to them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm import tool
from fakevm.testing.labs import FAKEVM, Lab, Labs

from .conftest import until

# All of it takes longer than a shared lab does, and CRIU is fetched where there is none.
pytestmark = pytest.mark.slow

# Counts requests in memory, in a thread for each connection, and has a pipe that each request goes through.
SERVER = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    count, pipe = 0, os.pipe()
    def log_message(self, *words): pass
    def do_GET(self):
        Handler.count += 1
        os.write(Handler.pipe[1], b"%08d" % Handler.count)
        body = os.read(Handler.pipe[0], 8)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 80), Handler).serve_forever()
"""
# One connection all the while; a line for each answer, with the seconds that it took.
CLIENT = """\
import http.client, time
connection = http.client.HTTPConnection("10.9.0.1", timeout=100)
connection.connect()
connection.auto_open = 0
while True:
    begun = time.monotonic()
    connection.request("GET", "/")
    print(int(connection.getresponse().read()), time.monotonic() - begun, flush=True)
    time.sleep(0.01)
"""
FILE = f"""\
neutron: false
hosts: {{host1: {{}}, host2: {{}}}}
guests:
  web:
    kind: container
    host: host1
    interfaces: {{eth1: {{addresses: [10.9.0.1/24]}}}}
    run: [{{command: {json.dumps(f"exec python3 -c '{SERVER}'")}, restart: always}}]
  peer: {{host: host2, interfaces: {{eth1: {{addresses: [10.9.0.2/24]}}}}}}
links:
  wire: web:eth1 -- peer:eth1
"""


class Client:
    """Asks the server all the while, over one connection."""

    def __init__(self, lab: Lab, log: Path) -> None:
        self._log = log
        with log.open("w") as output:
            self._process = subprocess.Popen(
                [FAKEVM, "exec", "peer", "--", "python3", "-c", CLIENT],
                env=lab.labs.env(FAKEVM_LAB=lab.record.name), stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def answers(self) -> list[int]:
        """The numbers that were answered; a line that is no answer is one that fails the test."""
        lines = self._log.read_text().splitlines()
        return [int(line.split()[0]) for line in lines]

    def goes_on(self, answers: int = 20) -> None:
        """Wait for more answers, and see that none was lost or repeated."""
        before = len(self.answers)
        until(lambda: len(self.answers) >= before + answers)
        said = self.answers
        assert said == list(range(said[0], said[0] + len(said)))

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="module")
def lab(own_labs: Labs) -> Lab:
    tool.install("criu")
    return own_labs.up_from("moving", FILE)


@pytest.fixture
def client(lab: Lab, tmp_path: Path) -> Iterator[Client]:
    found = Client(lab, tmp_path / "client")
    try:
        found.goes_on()
        yield found
    finally:
        found.end()


def where(lab: Lab) -> str:
    return next(str(row["host"]) for row in lab.told("guest", "list") if row["name"] == "web")


def other(lab: Lab) -> str:
    return "host1" if where(lab) == "host2" else "host2"


def test_a_server_moves_there_and_back_under_its_client(lab: Lab, client: Client) -> None:
    for host in ("host2", "host1"):
        done = lab.fakevm("migrate", host, "web", "--processes", "move", "-f", "json")
        assert done.returncode == 0, done.stderr
        assert "freeze" in json.loads(done.stdout)["seconds"]
        assert where(lab) == host
        client.goes_on()
    (web,) = [row for row in lab.told("guest", "list") if row["name"] == "web"]
    assert not web["problem"]
    # It is still what is kept running.
    assert lab.fakevm("exec", "web", "--", "pkill", "-f", "serve_forever").returncode == 0
    until(lambda: lab.fakevm("exec", "peer", "--", "curl", "-sf", "10.9.0.1").returncode == 0)


@pytest.mark.parametrize("step", ["freeze", "resume-destination", "unplug-source"])
def test_a_move_that_fails_leaves_the_connection_as_it_was(lab: Lab, client: Client, step: str) -> None:
    before = where(lab)
    done = lab.fakevm("migrate", other(lab), "web", "--processes", "move", "--fail-at", step)
    assert done.returncode == 1
    assert "LEFT BEHIND" not in done.stderr
    assert where(lab) == before
    client.goes_on()


def test_what_cannot_move_is_told_and_nothing_is_done(lab: Lab, client: Client) -> None:
    waited = subprocess.Popen(
        [FAKEVM, "exec", "web", "--", "sleep", "1000"], env=lab.labs.env(FAKEVM_LAB=lab.record.name)
    )
    try:
        until(lambda: lab.fakevm("exec", "web", "--", "pgrep", "-x", "sleep").returncode == 0)
        for words in (("migrate", other(lab), "web", "--processes", "move"), ("guest", "checkpoint", "web", "saved")):
            done = lab.fakevm(*words)
            assert done.returncode == 1, words
            assert "sleep (" in done.stderr
            assert "was started from outside" in done.stderr
        client.goes_on()
    finally:
        waited.terminate()
        waited.wait()


def test_a_guest_goes_on_from_a_folder_in_a_lab_that_was_made_anew(lab: Lab, tmp_path: Path) -> None:
    def count() -> int:
        return int(lab.fakevm("exec", "peer", "--", "curl", "-sf", "10.9.0.1").stdout)

    before = count()
    saved = tmp_path / "saved"
    done = lab.fakevm("exec", "web", "--", "sh", "-c", "echo kept >/srv/kept; echo kept >/run/kept; rm /etc/passwd")
    assert done.returncode == 0, done.stderr
    done = lab.fakevm("guest", "checkpoint", "web", str(saved))
    assert done.returncode == 0, done.stderr
    assert saved.stat().st_mode & 0o777 == 0o700
    assert lab.fakevm("lab", "down", lab.record.name).returncode == 0
    lab.labs.up_from("moving", FILE)
    until(lambda: lab.fakevm("exec", "peer", "--", "curl", "-sf", "10.9.0.1").returncode == 0)
    done = lab.fakevm("guest", "restore", str(saved))
    assert done.returncode == 0, done.stderr
    assert count() == before + 1
    done = lab.fakevm("exec", "web", "--", "sh", "-c", "cat /srv/kept /run/kept; ls /etc/passwd")
    assert done.stdout == "kept\nkept\n"


def test_a_checkpoint_that_others_can_write_is_refused(lab: Lab, client: Client, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    assert lab.fakevm("guest", "checkpoint", "web", str(saved), "--leave-running").returncode == 0
    client.goes_on()
    saved.chmod(0o770)
    done = lab.fakevm("guest", "restore", str(saved))
    assert done.returncode == 2
    assert "others can write it" in done.stderr
    client.goes_on()
    again = lab.fakevm("guest", "checkpoint", "web", str(saved))
    assert "it is there already" in again.stderr
    client.goes_on()


def test_criu_that_is_killed_in_the_middle_leaves_the_guest_running(lab: Lab, client: Client, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    for _ in range(3):
        asked = subprocess.Popen(
            [FAKEVM, "guest", "checkpoint", "web", str(saved)],
            env=lab.labs.env(FAKEVM_LAB=lab.record.name), stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while asked.poll() is None and not _kill_criu():
            pass
        said = asked.communicate()[1]
        assert "Traceback" not in said
        if asked.returncode:
            break
        assert lab.fakevm("guest", "restore", str(saved)).returncode == 0
        subprocess.run(["rm", "-r", str(saved)], check=True)
    else:
        pytest.fail("CRIU was never met")
    assert not saved.exists()
    client.goes_on()


def _kill_criu() -> bool:
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                words = (path / "cmdline").read_bytes().split(b"\0")
                if b"swrk" in words and b"nsenter" not in words[0]:
                    os.kill(int(path.name), signal.SIGKILL)
                    return True
    return False
