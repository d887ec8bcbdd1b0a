"""What a program of a lab goes by: each of its options, with its value and where that comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fakevm.backend import base as backends
from fakevm.errors import Ambiguous, LabFailed, NotFound
from fakevm.model import config
from fakevm.model.lab import LabRecord
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.reference import suggestion

from . import known as knowing
from .checking import meant
from .known import NAMESPACES, Key
from .option import Option

DEFAULT, FAKEVM, FILE = "default", "FakeVM", "lab file"
_HIDDEN = "***"
# The events' secret, which may not be known for one; labs of an earlier FakeVM have it in the endpoint. What is shown
# to Keystone, no library lists.
_SECRETS = (("nova", "token"), ("nova", "endpoint"), ("keystone_authtoken", "password"))


class Setting(NamedTuple):
    """An option of a program; ``source`` is where its value comes from."""

    section: str
    option: str
    value: str
    source: str


class Reader(NamedTuple):
    """A program, by its word, of the lab (``host`` is empty) or of a host; ``folder`` has its files."""

    word: str
    host: str
    folder: Path
    release: str

    def files(self) -> tuple[str, ...]:
        """Name the files of which it reads options that are its own, the last wins."""
        if self.word in config.SERVER_WORDS:
            return config.of_server()[config.SERVER_WORDS.index(self.word) :: len(config.SERVER_WORDS)]
        return ("neutron.conf", f"{self.word}.ini", config.given(self.word))


def find(record: LabRecord, name: str, host: str = "") -> Reader:
    """Find a program by its word, or as ``lab status`` has it; ``host`` is where, if several hosts have it.

    Raises NotFound, Ambiguous.
    """
    on, _, program = name.rpartition("/")
    host, word = host or on, word_of(program)
    if word in config.SERVER_WORDS:
        if host:
            raise NotFound(f"{host} has no server: it is the lab's", hint=f"fakevm lab config {word}")
        return Reader(word, "", record.directory / "neutron", record.release)
    hosts = {h.name: h for h in record.hosts}
    if host and host not in hosts:
        raise NotFound(f"lab {record.name!r} has no host {host!r}", hint=suggestion(host, list(hosts)))
    there = {name: set(_words(record, name)) for name in ([host] if host else hosts)}
    having = [name for name, words in there.items() if word in words]
    if not having:
        known = sorted({*config.SERVER_WORDS, *(word for words in there.values() for word in words)})
        where = host or f"lab {record.name!r}"
        raise NotFound(f"{where} has no program {name!r} with options", hint=suggestion(word, known))
    if len(having) > 1:
        raise Ambiguous(f"{word} runs on several hosts", hint=f"Say which with --host: {', '.join(having)}.")
    return Reader(word, having[0], record.host_directory(having[0]), hosts[having[0]].release)


def unheeded(folder: Path, release: str, python_path: tuple[Path, ...]) -> Iterator[str]:
    """Say which options that a lab file gave (in the files of ``folder``) a release does not know.

    Raises CommandFailed, LabFailed.
    """
    for path in sorted((folder / config.GIVEN).glob("*.ini")):
        for section, name in read(path):
            known = knowing.of(path.stem, release, python_path)
            if known and not known.find(section, name):
                yield f"{path.stem} of Neutron {release} has no option [{section}] {name}: it will not heed it"


def word_of(program: str) -> str:
    """Give the word for a program, however it is called."""
    word = config.word(program)
    return "server" if word in ("api", "rpc_server", "periodic_workers") else word


def _words(record: LabRecord, host: str) -> Iterator[str]:
    for path in (record.host_directory(host) / config.GIVEN).glob("*.ini"):
        yield path.stem


def settings(record: LabRecord, reader: Reader, lab: LabFile) -> list[Setting]:
    """List all its options: what its files say, and else its release's defaults.

    ``lab`` is the lab's own file. Raises LabFailed: a file cannot be read; CommandFailed.
    """
    known = knowing.of(reader.word, reader.release, backends.load(record.backend).python_path)
    own = lab.hosts[reader.host].config.get(reader.word, {}) if reader.host in lab.hosts else {}
    of_host = knowing.flat(known, own)
    found: dict[Key, Setting] = {key(option): _default(option) for option in known}
    for name in reader.files():
        for (section, option_name), lines in read(reader.folder / name).items():
            option = known.named(section, option_name)
            if name != config.given(reader.word) and known.find(*option[:2]) and not known.is_own(*option[:2]):
                # FakeVM sets it for others, which read the file, too.
                continue
            source = FAKEVM
            if name == config.given(reader.word):
                source = f"{FILE}, {reader.host}" if key(option) in of_host else FILE
            found[key(option)] = _shown(option, ",".join(lines), source)
    return sorted(found.values(), key=lambda row: (row.section != "DEFAULT", row.section.lower(), row.option))


def defaults(word: str, release: str) -> list[Setting]:
    """List the options that a program of a release knows, with its defaults. Raises NotFound, CommandFailed."""
    if word not in NAMESPACES:
        raise NotFound(f"there is no program {word!r}", hint=suggestion(word, sorted(NAMESPACES)))
    known = knowing.of(word, release)
    if not known:
        raise NotFound(f"Neutron {release} is not installed", hint=f"Run: fakevm release install {release}")
    return sorted(map(_default, known), key=lambda row: (row.section != "DEFAULT", row.section.lower(), row.option))


def chosen(rows: Sequence[Setting], words: Sequence[str], word: str) -> list[Setting]:
    """Choose options by ``NAME`` or ``SECTION.NAME``. Raises NotFound, with the one that was meant."""
    found: dict[Key, Setting] = {}
    for one in words:
        section, _, name = one.rpartition(".")
        alike = [row for row in rows if row.option == name.replace("-", "_") and _is(section, row.section)]
        if not alike:
            known = [Option(row.section, row.option) for row in rows]
            raise NotFound(f"{word} has no option {one!r}", hint=meant(section, name, known))
        found |= {(row.section, row.option): row for row in alike}
    return list(found.values())


def _is(wanted: str, section: str) -> bool:
    return not wanted or wanted.lower() == section.lower()


def key(option: Option) -> Key:
    """Give what options are told apart by."""
    return knowing.key(option.section, option.name)


def _default(option: Option) -> Setting:
    value = [] if option.default is None else option.lines(option.default)
    return _shown(option, ",".join(value), DEFAULT)


def _shown(option: Option, value: str, source: str) -> Setting:
    is_secret = option.secret or key(option) in _SECRETS
    return Setting(option.section, option.name, _HIDDEN if is_secret and value else value, source)


def read(path: Path) -> dict[Key, list[str]]:
    """Read a file as FakeVM writes them: section and option → its values. Raises LabFailed."""
    try:
        lines = path.read_text().splitlines()
    except OSError as exc:
        raise LabFailed(f"cannot read {path}: {exc.strerror}") from exc
    found: dict[Key, list[str]] = {}
    section = "DEFAULT"
    for line in lines:
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault((section, name.strip()), []).append(value.strip())
    return found
