"""Files that would keep a command busy, waiting or growing for long: each is refused soon, in little memory."""

from __future__ import annotations

import itertools
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fakevm.errors import InvalidInput
from fakevm.lab import bounded, reading

LETTERS = "abcdefghijkl"
NINE = "a: &a [x,x,x,x,x,x,x,x,x]\n"
BOMBS = {
    "aliases": NINE + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in itertools.pairwise(LETTERS)),
    "merges": "a: &a {x: 1}\n"
    + "".join(f"{b}: &{b} {{<<: [{', '.join(['*' + a] * 9)}]}}\n" for a, b in itertools.pairwise(LETTERS)),
    "brackets": "[" * 3000 + "]" * 3000,
    "dashes": "- " * 3000,
    "braces": "{a: " * 3000,
    "itself": "a: &a [*a]",
    "chain": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000)),
    "many": f"[{'a,' * 100_000}]",
    "large": "# a comment\n" * 100_000,
    "digits": "name: " + "9" * 200_000,
    "hexadecimal": "networks: {a: {mtu: 0x" + "f" * 100_000 + "}}",
    "tag": "!" + "x" * 200_000,
    "hosts": "hosts: {c: {count: 100000000}}",
    "hosts of hosts": "hosts:\n" + "".join(f"  c{n}x: {{count: 1000}}\n" for n in range(2000)),
    "regular expression": "checks: {a: {kind: command, from: client, run: x, shows: '" + "(" * 5000 + "'}}",
    "errors": "".join(f"k{n}: 1\n" for n in range(5000)),
    "references": "guests:\n"
    + "".join(f"  g{n}: {{ports: [n]}}\n" for n in range(1000))
    + "checks:\n"
    + "".join(f"  c{n}: {{kind: ping, from: x{n}, to: y{n}}}\n" for n in range(1000)),
}  # fmt: skip
# Of a quiet processor; one with other work to do, or half of a core only, may be so many times slower.
SECONDS, SLOWER = 2.0, 4


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_two_seconds_and_a_gigabyte_of_addresses(tmp_path: Path, name: str) -> None:
    (tmp_path / "lab.yaml").write_text(BOMBS[name])
    done, seconds = validated(tmp_path / "lab.yaml")
    assert done.returncode == 2, done.stderr[-1000:]
    assert done.stderr.startswith("error: ")
    assert seconds < SECONDS * SLOWER
    assert len(done.stderr) < 100_000


def validated(path: Path) -> tuple[subprocess.CompletedProcess[str], float]:
    """Check a file, in little memory; gives also the seconds of a processor that it took."""
    run = f'ulimit -v 1000000; exec "{sys.executable}" -m fakevm.cli.main lab validate "{path}"'
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["sh", "-c", run], capture_output=True, text=True, timeout=120, check=False)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev"])
def test_a_device_without_an_end_is_no_lab_file(device: str) -> None:
    done, seconds = validated(Path(device))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {device}: cannot read the lab file: ")
    assert seconds < SECONDS * SLOWER


def test_a_pipe_that_nobody_writes_to_is_not_waited_for_long(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="it is a pipe, and nobody writes to it"):
        reading.read(tmp_path / "pipe")


def test_a_pipe_that_somebody_opens_late_and_writes_to_slowly_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def write() -> None:
        with (tmp_path / "pipe").open("w") as pipe:
            for piece in ("name: ", "la", "te\n"):
                pipe.write(piece)
                pipe.flush()

    writer = threading.Timer(0.3, write)
    writer.start()
    assert reading.read(tmp_path / "pipe").name == "late"
    writer.join()


def test_a_pipe_that_is_held_open_in_silence_has_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_PATIENCE", 0.2)
    os.mkfifo(tmp_path / "pipe")
    silent = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        with pytest.raises(InvalidInput, match="its end did not come within"):
            reading.read(tmp_path / "pipe")
    finally:
        os.close(silent)


def test_a_shells_process_substitution_is_read() -> None:
    for written, status in (("name: mine", 0), ("", 0), ("nonsense: 1", 2)):
        run = f"{sys.executable} -m fakevm.cli.main lab validate <(printf '{written}')"
        done = subprocess.run(["bash", "-c", run], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("name: a\nrelease: 2001-13-45\n", 2, "this cannot be read as timestamp"),
        ("\nname: !!int abc\n", 2, "this cannot be read as int"),
        ('name: "a\\0b"\n', 1, "text with signs that are no text"),
        ('name: "\\ud800"\n', 1, "text with signs that are no text"),
        ("a: 1\n---\nb: 2\n", 2, "found another document"),
    ],
)
def test_values_that_the_library_cannot_read_have_their_line(text: str, line: int, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        reading.parse(text, "lab.yaml")
    assert str(caught.value).startswith(f"lab.yaml:{line}")
    assert said in str(caught.value)


def test_a_file_of_a_thousand_guests_is_read() -> None:
    networks = "networks: {n: {subnets: {s: {cidr: 10.0.0.0/16}}}}\n"
    guests = "guests:\n" + "".join(f"  guest{n}: {{host: compute1, ports: [n]}}\n" for n in range(1000))
    assert len(reading.parse(networks + guests, "lab.yaml").guests) == 1000
