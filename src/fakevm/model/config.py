"""The configuration files that Neutron's programs read in a lab, and the words by which a lab file means the programs.

Each program reads what FakeVM sets first, then what the lab file says: the later file wins, option by option.
"""

from __future__ import annotations

from collections.abc import Iterable

from .program import Program

#: the folder of the server's files, as seen in the lab
SERVER = "/run/fakevm/neutron"
#: the words for the server's files, in the order in which its programs read them
SERVER_WORDS = ("server", "ml2")
#: the folder, below the others, of what the lab file says
GIVEN = "config"
#: where the API finds the names of its files (neutron.server)
FOLDER_VARIABLE, FILES_VARIABLE = "OS_NEUTRON_CONFIG_DIR", "OS_NEUTRON_CONFIG_FILES"
_SERVER_FILES = {"server": "neutron.conf", "ml2": "ml2.ini"}
# Other agents are called as their programs are.
_SHORT = {"neutron-openvswitch-agent": "ovs_agent"}


def word(binary: str) -> str:
    """Give the word for one of Neutron's agents, by its program: ``neutron-l3-agent`` is the ``l3_agent``."""
    return _SHORT.get(binary, binary.removeprefix("neutron-").replace("-", "_"))


def given(name: str) -> str:
    """Give the file of what the lab file says, by the word for who reads it."""
    return f"{GIVEN}/{name}.ini"


def of_server() -> tuple[str, ...]:
    """Give the files that the server's programs read, as seen from their folder."""
    return (*(_SERVER_FILES[name] for name in SERVER_WORDS), *map(given, SERVER_WORDS))


def own(binary: str) -> str:
    """Give the file of what FakeVM sets for one agent alone, as seen from its host's folder."""
    return f"{word(binary)}.ini"


def of_agent(binary: str) -> tuple[str, ...]:
    """Give the files that an agent reads, as seen from its host's folder."""
    return ("neutron.conf", own(binary), given(word(binary)))


def files_of(program: Program) -> frozenset[str]:
    """Give the words of a program that may be its files, as seen in the lab; the API has them in its environment."""
    named = program.environment.get(FILES_VARIABLE, "").split(";")
    return frozenset((*program.command, *(f"{SERVER}/{name}" for name in named if name)))


def arguments(folder: str, files: Iterable[str]) -> tuple[str, ...]:
    """Give the arguments that name files of a folder to a program."""
    return tuple(part for file in files for part in ("--config-file", f"{folder}/{file}"))
