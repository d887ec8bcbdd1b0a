"""Commands in several guests at once: which are meant, what is shown of them, how they end."""

from __future__ import annotations

import argparse
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakevm.cli import choice, group
from fakevm.errors import InvalidInput, NotFound
from fakevm.lab.roster import Entry

NAMES = ("leaf1", "leaf2", "r[1]", "r1")
ONE = "50a58255-f3c3-5473-aae1-c3f6aa783ac"
GUESTS = [Entry(f"{ONE}{n}", name, "host1", "namespace", "running", False) for n, name in enumerate(NAMES)]


def asked(*on: str, everybody: bool = False) -> argparse.Namespace:
    return argparse.Namespace(on=list(on), all=everybody, host=None)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["leaf*"], ["leaf1", "leaf2"]),
        (["leaf2", "leaf*"], ["leaf1", "leaf2"]),
        (["r[1]"], ["r[1]", "r1"]),
        (["r1"], ["r1"]),
        ([f"{ONE}0"], ["leaf1"]),
        (["*"], ["leaf1", "leaf2", "r[1]", "r1"]),
        (["[", "r1"], None),
        (["LEAF*"], None),
    ],
)
def test_which_guests_are_meant(patterns: list[str], names: list[str] | None) -> None:
    if names is None:
        with pytest.raises(NotFound, match="no guest is called") as caught:
            choice.chosen(asked(*patterns), GUESTS)
        assert "There are: leaf1, leaf2, r[1], r1." in caught.value.hint
    else:
        assert [guest.title for guest in choice.chosen(asked(*patterns), GUESTS)] == names


def test_all_are_all_and_none_is_an_error() -> None:
    assert choice.chosen(asked(everybody=True), GUESTS) == GUESTS
    with pytest.raises(NotFound, match="there is no guest"):
        choice.chosen(asked(everybody=True), [])


def test_guests_are_named_in_one_way() -> None:
    for parsed, named in ((asked("a"), ["b"]), (asked("a", everybody=True), []), (asked(), [])):
        with pytest.raises(InvalidInput):
            choice.refuse_both(parsed, named)


def works(*commands: str) -> list[group.Work]:
    return [
        group.Local(f"id{number}", f"g{number}", "host1", lambda line=line: ["sh", "-c", line])  # type: ignore[misc]
        for number, line in enumerate(commands, 1)
    ]


def test_lines_are_marked_on_the_stream_that_they_came_on(capfd: pytest.CaptureFixture[str]) -> None:
    status = group.run(works("echo a; echo b; printf c", "printf 'x' >&2; cat", "exit 3"), as_json=False)
    out, err = capfd.readouterr()
    assert sorted(out.splitlines()) == ["g1: a", "g1: b", "g1: c"]
    assert err.splitlines() == ["g2: x", "error: 1 of 3 guests failed:", "  g3: exit status 3"]
    assert status == 3


def test_an_object_for_each(capfd: pytest.CaptureFixture[str]) -> None:
    def refuse() -> list[str]:
        raise NotFound("it is stopped", hint="Start it.")

    several = [*works("echo a; echo b >&2", "exit 124"), group.Local("id3", "g3", "host1", refuse)]
    assert group.run(several, as_json=True) == 124
    out, err = capfd.readouterr()
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in json.loads(out)]
    common = {"host": "host1", "stdout": "", "stderr": ""}
    assert rows == [
        common | {"name": "g1", "id": "id1", "exit_status": 0, "stdout": "a\n", "stderr": "b\n"},
        common | {"name": "g2", "id": "id2", "exit_status": 124},
        common | {"name": "g3", "id": "id3", "exit_status": None, "problem": "it is stopped Start it."},
    ]
    assert "2 of 3 guests failed" in err
    assert "g2: exit status 124 (its time was over)" in err


def test_no_more_at_once_than_asked_for(tmp_path: Path) -> None:
    alone = f"mkdir {tmp_path}/here && sleep 0.05 && rmdir {tmp_path}/here"
    assert group.run(works(*[alone] * 5), as_json=True, at_once=1) == 0
    assert group.run(works(*[alone] * 5), as_json=True, at_once=5) == 1


def test_a_child_that_stays_is_not_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    begin = time.monotonic()
    assert group.run(works("sleep 60 & echo $!"), as_json=False) == 0
    assert time.monotonic() - begin < 30
    (line,) = capfd.readouterr().out.splitlines()
    subprocess.run(["kill", line.removeprefix("g1: ")], check=True)


IN_A_PROCESS = """
import sys
from fakevm.cli import failure, group, stream
stream.prepare()
failure.end_tidily_on_signals()
line = sys.argv[1]
works = [group.Local(str(n), f"g{n}", "h", lambda: ["sh", "-c", line]) for n in range(3)]
try:
    sys.exit(group.run(works, as_json=False))
except failure.Ended as ended:
    sys.exit(ended.exit_status)
except Exception as error:
    sys.exit(failure.complain(error))
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all(signum: signal.Signals) -> None:
    argv = [sys.executable, "-c", IN_A_PROCESS, "echo $$; exec sleep 1000"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stdout
        pids = [int(running.stdout.readline().split(": ")[1]) for _ in range(3)]
        running.send_signal(signum)
        assert running.wait(60) == 128 + signum
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_output_that_cannot_be_written_ends_all() -> None:
    argv = [sys.executable, "-c", IN_A_PROCESS, "echo a; exec sleep 1000"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "standard output cannot be written: No space left on device" in done.stderr


def test_an_odd_name_is_no_control_sequence(capfd: pytest.CaptureFixture[str]) -> None:
    odd = group.Local("i", "a\x1b[2J\udcff", "h", lambda: ["echo", "x"])
    assert group.run([odd], as_json=False) == 0
    assert capfd.readouterr().out == "a?[2J?: x\n"
    assert isinstance(sys.stdout, io.TextIOBase)
