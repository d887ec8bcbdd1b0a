"""Labs for tests, made with the real command line in a folder of their own that is removed afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fakevm.control import credentials
from fakevm.control.transport import Direct
from fakevm.errors import LabFailed
from fakevm.lab import registry
from fakevm.model.lab import LabRecord
from fakevm.waiting import remains

from . import forks, leftovers, warm

BIN = Path(sys.executable).parent
FAKEVM = str(BIN / "fakevm")

Done = subprocess.CompletedProcess[str]


@dataclass
class Labs:
    """The command line, with a folder for labs of its own; ``environment`` is added to its variables."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def made(cls) -> Labs:
        """Make the folder; what its labs import is imported from now on."""
        warm.begin()
        # Unix sockets have short names only, so pytest's own temporary folders are too deep.
        folder = Path(tempfile.mkdtemp(prefix="fv-"))
        leftovers.expect(folder)
        (folder / leftovers.LABS).mkdir()
        labs = cls(folder)
        _LIVING.append(labs)
        return labs

    @property
    def root(self) -> Path:
        """The folder of all labs (FAKEVM_LABS)."""
        return self.folder / leftovers.LABS

    @property
    def mark(self) -> str:
        """What names the folder in arguments, environments and mounts."""
        return self.folder.name

    def env(self, **changes: str) -> dict[str, str]:
        """Give the variables of a command: the caller's, without those that name another lab or cloud."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "FAKEVM_LAB"))}
        return {**clean, "FAKEVM_LABS": str(self.root), **self.environment, **changes}

    def fakevm(self, *words: str, timeout: float = 900, **options: Any) -> Done:
        """Run ``fakevm`` to its end, ``timeout`` seconds at most; all it says is kept as text."""
        return _run([FAKEVM, *words], timeout, {"env": self.env(), **options})

    def begin(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Begin a ``fakevm`` command in a session of its own, where no terminal's signals reach it."""
        options = {"env": self.env(), "stdout": subprocess.PIPE, **options}
        return subprocess.Popen(
            [FAKEVM, *words], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            **options,
        )  # fmt: skip

    def record(self, name: str) -> LabRecord:
        """Read a lab's record."""
        return registry.load(self.root / name)

    def up(self, name: str, *words: str, timeout: float = 900) -> Lab:
        """Start a lab; ``words`` are further words for ``fakevm lab up``, ``timeout`` is in seconds."""
        done = self.fakevm("lab", "up", *words, "--name", name, timeout=timeout)
        assert done.returncode == 0, done.stderr + done.stdout
        return Lab(self, self.record(name))

    def up_from(self, name: str, text: str) -> Lab:
        """Start a lab from a lab file with this text, which is written beside the labs as ``NAME.yaml``."""
        file = self.folder / f"{name}.yaml"
        file.write_text(text)
        return self.up(name, str(file))

    def logs(self) -> list[Path]:
        """List the logs of all labs that are there."""
        return sorted(path for place in ("log", "hosts/*/log") for path in self.root.glob(f"*/{place}/*.log"))

    def remove(self) -> None:
        """End all labs and remove the folder; raises LabFailed when one cannot be ended, whose folder says how."""
        _LIVING[:] = [labs for labs in _LIVING if labs is not self]
        done = self.fakevm("lab", "down", "--all")
        if done.returncode:
            leftovers.leave(self.folder)
            raise LabFailed(
                f"could not end the labs in {self.root}: {done.stderr.strip()}",
                hint=f"They are kept. To try again: FAKEVM_LABS={self.root} fakevm lab down --all",
            )
        shutil.rmtree(self.folder)


def _run(argv: list[str], timeout: float, options: dict[str, Any]) -> Done:
    """Run a command to its end: as a fork where that can be, or else by a Python of its own."""
    if options.keys() <= {"env", "cwd", "input"}:
        given: dict[str, Any] = {"env": os.environ, "cwd": Path.cwd(), "input": ""}
        given |= {name: value for name, value in options.items() if value is not None}
        served = forks.shared(Path(argv[0]).name)
        if done := served.done(argv, given["env"], given["cwd"], given["input"], timeout):
            return done
    options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False, **options)


# Those that were made and not removed yet, the oldest first.
_LIVING: list[Labs] = []


def living() -> list[Labs]:
    """List what was made and not removed yet, the oldest first: the plugin keeps their logs."""
    return list(_LIVING)


@dataclass
class Lab:
    """A lab that runs."""

    labs: Labs
    record: LabRecord

    def fakevm(self, *words: str, **options: Any) -> Done:
        """Run ``fakevm`` with this lab as the one that is meant."""
        options.setdefault("env", self.labs.env(FAKEVM_LAB=self.record.name))
        return self.labs.fakevm(*words, **options)

    def told(self, *words: str, **options: Any) -> Any:
        """Run a ``fakevm`` command that must end well, and read its JSON."""
        done = self.fakevm(*words, "-f", "json", **options)
        assert done.returncode == 0, f"fakevm {' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout)

    def openstack(self, *words: str, timeout: float = 180, **options: Any) -> Done:
        """Run the stock ``openstack`` client as a user's shell would after ``eval "$(fakevm lab env)"``."""
        options.setdefault("env", self.labs.env(**credentials.variables(self.record), FAKEVM_LAB=self.record.name))
        return _run([str(BIN / "openstack"), *words], timeout, options)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask Neutron's API for a path below ``/v2.0``, which must end well; gives its JSON, None where there is none.

        For what the ``openstack`` client has no words for, and for tests that cannot wait until it has started.
        """
        direct = Direct(self.record.endpoint, credentials.headers(self.record))
        answer = direct.request(method, path, f"{method} {path}", body)
        assert answer.status < 300, f"{method} {path}: HTTP {answer.status}: {answer.text()}"
        return answer.json() if answer.content else None

    def network(self, name: str, subnet: str, *words: str, dhcp: bool = True) -> str:
        """Make a network with a subnet; returns its id. ``words`` are further words for ``network create``."""
        if not words and self.record.auth != "keystone":
            # As the client would, which takes a second to start.
            network: str = self.api("POST", "/networks", {"network": {"name": name}})["network"]["id"]
            row = {"network_id": network, "name": name, "ip_version": 4, "cidr": subnet, "enable_dhcp": dhcp}
            self.api("POST", "/subnets", {"subnet": row})
            return network
        made = self.openstack("network", "create", *words, name, "-f", "value", "-c", "id")
        assert made.returncode == 0, made.stderr
        identity = made.stdout.strip()
        options = () if dhcp else ("--no-dhcp",)
        served = self.openstack("subnet", "create", "--network", identity, "--subnet-range", subnet, *options, name)
        assert served.returncode == 0, served.stderr
        return identity

    def remove_network(self, name: str) -> None:
        """Delete a network with all that is on it."""
        ids = [row["vif_id"] for row in self.told("list") if row["network"] == name]
        if ids:
            self.told("delete-port", *ids)
        for network in self.api("GET", f"/networks?fields=id&name={quote(name, safe='')}")["networks"]:
            self.api("DELETE", f"/networks/{network['id']}")

    def guest(self, network: str, instance: str, host: str, *words: str) -> dict[str, Any]:
        """Make a guest: the fields of ``fakevm create-port``, of which ``words`` are further words."""
        return dict(self.told("create-port", network, instance, "--host", host, *words))

    def reaches(self, source: dict[str, Any], target: dict[str, Any] | str, *, within: float = 0) -> bool:
        """Tell whether one of three pings from a guest to another, or to an address, is answered.

        The first through a tunnel may be lost while a switch asks for its neighbour. What was changed just now may take
        its time to be in force: then it is tried again until ``within`` seconds are over.
        """
        address = target if isinstance(target, str) else target["addresses"][0].partition("/")[0]
        words = ("exec", source["vif_id"], "--", "ping", "-c3", "-i0.3", "-W1", address)
        return not remains(lambda: "no answer" if self.fakevm(*words).returncode else "", within)
