"""The words of a command line before any parser: where the command begins, and what is a guest's own command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# Global options that take a value.
VALUED = ("--lab", "--config-file", "--os-cloud", "--log-file")
# With it 2 says that something differs, so no mistake may have this exit status.
EXIT_CODE = "--exit-code"
# Commands after whose own words come those of a command for guests.
WITH_COMMAND = ("exec", "ssh")
# Options that say that there is no GUEST before the command, as several are meant.
GROUP_VALUED = ("--on",)
GROUP_FLAGS = ("--all",)


def command_at(words: Sequence[str]) -> int:
    """Give the index of the first word that is neither a global option nor an option's value."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        at += 2 if words[at] in VALUED else 1
    return min(at, len(words))


def verbatim_at(words: Sequence[str]) -> int:
    """Give the index from which on no word is a global option: those of a guest's or host's own command."""
    at = command_at(words)
    if tuple(words[at : at + 1]) in {(name,) for name in WITH_COMMAND}:
        return at + 1
    return next((index for index, word in enumerate(words) if word == "--"), len(words))


class Grammar(NamedTuple):
    """A command's own options: with a value, without, and with a value also behind the guest's command."""

    valued: tuple[str, ...]
    flags: tuple[str, ...]
    trailing: tuple[str, ...] = ()

    def has_value(self, word: str) -> bool:
        """Tell whether the word is an option of ours with its value, such as --host=compute1."""
        return word.startswith(tuple(f"{name}=" for name in self.valued if name.startswith("--")))


EXEC = Grammar(
    valued=("--host", "--timeout", "--lab", "--parallel", "-f", "--format", *GROUP_VALUED),
    flags=("-t", "--terminal", "--remote", "-h", "--help", *GROUP_FLAGS),
    trailing=("--host", "--timeout", "--lab"),
)
SSH = Grammar(
    valued=(
        *("--host", "--timeout", "--lab", "--parallel", "-f", "--format", *GROUP_VALUED),
        *("--stdio", "--ended", "-J", "--jump", "-L", "-R", "-D", "-l", "-o"),
    ),
    flags=("-h", "--help", *GROUP_FLAGS),
)


class ExecWords(NamedTuple):
    """The words after ``exec`` or ``ssh``: our own, and the command for the guest."""

    own: tuple[str, ...]
    command: tuple[str, ...]


def split_exec(words: Sequence[str]) -> ExecWords:
    """Tell exec's own options from the command.

    ``--host HOST`` may also come last, as in the original tool. One word with spaces is a whole command line, which is
    split as a shell would.
    """
    own, rest = _split(words, EXEC)
    return ExecWords(own, _command(rest))


def split_ssh(words: Sequence[str]) -> ExecWords:
    """Tell the options of ``ssh`` from the command, which is the guest's shell's, word for word."""
    return ExecWords(*_split(words, SSH))


def _split(words: Sequence[str], grammar: Grammar) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give our own words, and the command's: what follows ``--``, or else what follows GUEST.

    With an option for several guests there is no GUEST.
    """
    own: list[str] = []
    guest = ""
    rest = list(words)
    while rest:
        word = rest[0]
        if word == "--":
            return tuple(own), tuple(rest[1:])
        if word in grammar.valued:
            own += rest[:2]
            rest = rest[2:]
        elif word in grammar.flags or grammar.has_value(word) or (word.startswith("-") and not guest):
            own.append(rest.pop(0))
        elif not guest and not _of_several(own):
            guest = rest.pop(0)
            own.append(guest)
        else:
            break
    rest, trailing = _trailing_options(rest, grammar)
    return (*own, *trailing), tuple(rest)


def _of_several(own: Sequence[str]) -> bool:
    return any(word in GROUP_FLAGS or word.partition("=")[0] in GROUP_VALUED for word in own)


def _trailing_options(words: list[str], grammar: Grammar) -> tuple[list[str], list[str]]:
    """Take our own options off the end of a command that no ``--`` protects."""
    end = len(words)
    while end > 1:
        if words[end - 1].startswith(tuple(f"{name}=" for name in grammar.trailing)):
            end -= 1
        elif end > 2 and words[end - 2] in grammar.trailing:
            end -= 2
        else:
            break
    return words[:end], words[end:]


def _command(words: Sequence[str]) -> tuple[str, ...]:
    if len(words) == 1 and any(character.isspace() for character in words[0]):
        import shlex

        from fakevm.errors import InvalidInput

        try:
            return tuple(shlex.split(words[0]))
        except ValueError as problem:
            raise InvalidInput(
                f"the command {words[0]!r} cannot be split: {problem}", hint="Close its quotes."
            ) from problem
    return tuple(words)
