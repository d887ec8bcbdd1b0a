"""Completion in real shells: their own words for it, with nothing installed beside them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from fakevm.agent.store import GuestRecord, Nic
from fakevm.cli.app import App
from fakevm.cli.complete import VALUES, tree
from fakevm.cli.values import KINDS
from fakevm.model.guest import Guest
from fakevm.model.interface import Interface, LinkEnd
from fakevm.testing.labs import BIN, FAKEVM

# Arguments that only their user can know the value of.
FREE = {
    "AXIS=A,B", "BYTES", "CLOUD", "CMD", "COMMAND", "DEVICE", "GROUP", "GUEST:INTERFACE",
    "HOST:PORT", "INSTANCE", "N", "NEW_NAME", "NUMBER", "PERCENT", "PORT", "SECONDS", "STEP", "TIME",
    "STEP=SECONDS", "subnet=SUBNET,ip-address=ADDRESS",
    # Some thousand options of Neutron's programs.
    "OPTION",
    # Of the ids of tests.
    "REGEX",
    # ssh's own, and what ssh-config has ssh say.
    "LOCAL", "REMOTE", "SOCKS", "USER", "OPTION=VALUE", "MARK",
    # A port of any kind, by its id.
    "VIF",
    # cliff's own
    "<integer>", "COLUMN", "SORT_COLUMN", "VARIABLE",
}  # fmt: skip


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write what a lab has in its folder, as far as it is read."""
    root = tmp_path_factory.mktemp("labs")
    lab = root / "mine"
    (lab / "hosts/compute1/agent/guests").mkdir(parents=True)
    (lab / "hosts/compute1/log").mkdir()
    (lab / "log").mkdir()
    (root / "other").mkdir()
    (lab / "lab.json").write_text(json.dumps({"hosts": [{"name": "compute1"}, {"name": "network1"}]}))
    checks = {"web answers": {}, "web$(touch /tmp/no)": {}}
    (lab / "lab-file.json").write_text(json.dumps({"guests": {"web1": {}, "db1": {}}, "checks": checks}))
    end = Interface(name="eth7", mac_address="m", mtu=1500, attachment=LinkEnd(link="l", end="a"))
    made = GuestRecord(guest=Guest(id="wild1"), nics=(Nic(interface=end),))
    (lab / "hosts/compute1/agent/guests/0.json").write_text(made.model_dump_json())
    (lab / "log/neutron-api.log").touch()
    (lab / "hosts/compute1/log/ovs-vswitchd.log").touch()
    return root


@pytest.fixture(scope="module", params=["bash"])
def script(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the script as users do."""
    path = tmp_path_factory.mktemp("script") / "completion"
    with path.open("w") as file:
        subprocess.run([FAKEVM, "complete", request.param], stdout=file, check=True)
    return path


def completed(script: Path, labs: Path, *words: str) -> list[str]:
    """Ask a real bash what it would complete the last word to."""
    code = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}\n'
        '_shtab_${1//-/_}; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", code, "bash", script, *words], check=True, capture_output=True,
        text=True, env={"PATH": os.environ["PATH"], "HOME": "/nowhere", "FAKEVM_LABS": str(labs)},
    )  # fmt: skip
    assert not done.stderr
    return sorted(done.stdout.split("\n")[:-1])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fakevm la", ["lab"]),
        ("neutron-fakevm migr", ["migrate"]),
        ("fakevm lab va", ["validate"]),
        ("fakevm lab up --back", ["--backend"]),
        ("fakevm lab up --backend ov", ["ovn", "ovs"]),
        ("fakevm lab down ", ["mine", "other"]),
        ("fakevm --lab m", ["mine"]),
        ("fakevm --lab mine show we", ["web1"]),
        ("fakevm --lab mine show wi", ["wild1"]),
        ("fakevm --lab mine guest stop wi", ["wild1"]),
        ("fakevm --lab mine interface detach wild1 ", ["eth7"]),
        ("fakevm --lab mine capture wi", ["wild1:eth7"]),
        ("fakevm --lab mine capture wild1 :", ["eth7"]),
        ("fakevm --lab mine capture wild1 : e", ["eth7"]),
        ("fakevm --lab mine capture wild1 : eth7 n", ["network1:"]),
        ("fakevm --lab mine exec db1 --host ", ["compute1", "network1"]),
        ("fakevm --lab mine migrate c", ["compute1"]),
        ("fakevm --lab mine migrate compute1 w", ["web1", "wild1"]),
        ("fakevm --lab mine ssh w", ["web1", "wild1"]),
        ("fakevm --lab mine exec --on d", ["db1"]),
        ("fakevm --lab mine guest reboot --on wi", ["wild1"]),
        ("fakevm --lab mine host kill n", ["network1"]),
        ("fakevm --lab mine lab logs ", ["compute1/ovs-vswitchd", "neutron-api"]),
        ("fakevm lab upgrade 2026", ["2026.1", "2026.2"]),
        ("fakevm lab init self", ["selfservice"]),
        ("fakevm --lab mine check --only web\\ ", ["web\\ answers"]),
        ("fakevm lab status -f js", ["json"]),
        ("fakevm complete z", ["zsh"]),
        ("fakevm --lab none show ", [""]),
    ],
)
def test_bash_completes(script: Path, labs: Path, line: str, expected: list[str]) -> None:
    assert completed(script, labs, *re.split(r"(?<!\\) ", line)) == expected


def test_bash_completes_files(script: Path, labs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my-lab.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert completed(script, labs, "fakevm", "lab", "up", "my-") == ["my-lab.yaml"]


def test_a_name_is_no_command_for_the_shell(script: Path, labs: Path) -> None:
    words = completed(script, labs, "fakevm", "--lab", "mine", "check", "--only", "web")
    assert words == ["web\\ answers", "web\\$\\(touch\\ /tmp/no\\)"]


def test_values_take_no_time(labs: Path) -> None:
    """A Tab is to be answered within 0.3 s; so nothing heavy is imported."""
    heavy = ["pydantic", "cliff", "openstack", "oslo_messaging", "ruamel", "rich"]
    code = (
        "import sys, fakevm.cli.main as main\n"
        "for kind in sys.argv[1:]: main.main(['complete', '--values', kind, 'bash', '', '--lab', 'mine'])\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    kinds = [kind for kind in KINDS if kind not in ("networks", "ports")]
    done = subprocess.run(
        [BIN / "python", "-c", code, *kinds], capture_output=True, text=True, check=True,
        env={**os.environ, "FAKEVM_LABS": str(labs)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("words", [[], ["no-such-kind", "bash", ""], ["hosts", "bash"], ["networks", "zsh", ""]])
def test_what_cannot_be_completed_is_no_error(words: list[str], labs: Path) -> None:
    done = subprocess.run(
        [FAKEVM, "complete", "--values", *words], capture_output=True, text=True, check=False,
        env={**os.environ, "FAKEVM_LABS": str(labs), "FAKEVM_LAB": "mine"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_every_argument_has_values_or_is_known_to_have_none() -> None:
    """What is called by a new name is either completed, or listed here."""
    known = VALUES.keys() | FREE
    unknown = [(name, action.metavar) for name, action in arguments(tree("fakevm", App)) if action.metavar not in known]
    assert not unknown


def arguments(parser: object, name: str = "") -> list[tuple[str, object]]:
    import argparse

    found: list[tuple[str, object]] = []
    assert isinstance(parser, argparse.ArgumentParser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                found += arguments(child, f"{name} {word}".strip())
        elif name and action.nargs != 0 and not action.choices and action.metavar:
            found.append((name, action))
    return found


@pytest.mark.slow
def test_zsh_completes_at_a_terminal(labs: Path, tmp_path: Path) -> None:
    assert shutil.which("zsh"), "this test needs zsh: apt-get install zsh"
    script = tmp_path / "completion.zsh"
    with script.open("w") as file:
        subprocess.run([FAKEVM, "complete", "zsh"], stdout=file, check=True)
    zsh = Terminal(labs, "zsh", "-f", "-i")
    try:
        zsh.type(f"PS1='ready> '; autoload -U compinit; compinit -u -D; source {script}\n")
        # What is completed is run, too, and shows itself.
        zsh.type("fakevm() { print -r -- 'ran'':' ${(j:|:)@} }; neutron-fakevm() { fakevm $@ }; echo lo''aded\n")
        zsh.wait("loaded")
        for line, words in [
            ("fakevm --lab mine show we", "--lab|mine|show|web1"),
            ("fakevm lab down ot", "lab|down|other"),
            ("fakevm lab up --backend ovn --na", "lab|up|--backend|ovn|--name"),
            ("neutron-fakevm --lab mine migrate c", "--lab|mine|migrate|compute1"),
            ("fakevm --lab mine check --only web\\ ", "--lab|mine|check|--only|web answers"),
        ]:
            zsh.type(f"{line}\t\n")
            zsh.wait(f"ran: {words}")
    finally:
        zsh.close()


class Terminal:
    """A program at a terminal."""

    def __init__(self, labs: Path, *argv: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": "/nowhere", "TERM": "dumb"}
            os.execvpe(argv[0], list(argv), environment | {"FAKEVM_LABS": str(labs)})
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def wait(self, wanted: str, seconds: float = 60) -> None:
        """Wait until something is shown, since the last time."""
        deadline = time.monotonic() + seconds
        while wanted not in self.seen:
            assert time.monotonic() < deadline, self.seen[-2000:]
            if select.select([self.fd], [], [], 1)[0]:
                self.seen += os.read(self.fd, 4096).decode(errors="replace")
        self.seen = ""

    def close(self) -> None:
        os.close(self.fd)
        os.waitpid(self.pid, 0)
