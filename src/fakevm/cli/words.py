"""The words of a command line before any parser: where the command begins, and what is a guest's own command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# Global options that take a value.
VALUED = ("--lab", "--config-file", "--os-cloud", "--log-file")
# With it 2 says that something differs, so no mistake may have this exit status.
EXIT_CODE = "--exit-code"
# exec's own options: with a value, and without.
EXEC_VALUED = ("--host", "--timeout", "--lab")
EXEC_FLAGS = ("-t", "--terminal", "--remote", "-h", "--help")


def command_at(words: Sequence[str]) -> int:
    """Give the index of the first word that is neither a global option nor an option's value."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        at += 2 if words[at] in VALUED else 1
    return min(at, len(words))


def verbatim_at(words: Sequence[str]) -> int:
    """Give the index from which on no word is a global option: those of a guest's or host's own command."""
    at = command_at(words)
    if words[at : at + 1] == ["exec"]:
        return at + 1
    return next((index for index, word in enumerate(words) if word == "--"), len(words))


class ExecWords(NamedTuple):
    """The words after ``exec``: our own, and the command for the guest."""

    own: tuple[str, ...]
    command: tuple[str, ...]


def split_exec(words: Sequence[str]) -> ExecWords:
    """Tell our own options from the command.

    The command is what follows ``--``, or else what follows the VIF; then ``--host HOST`` may also come last, as in the
    original tool. One word with spaces is a whole command line, which is split as a shell would.
    """
    own: list[str] = []
    positionals = 0
    rest = list(words)
    while rest:
        if rest[0] == "--":
            return ExecWords(tuple(own), _command(rest[1:]))
        if rest[0] in EXEC_VALUED:
            own += rest[:2]
            rest = rest[2:]
        elif rest[0] in EXEC_FLAGS or _has_value(rest[0]) or (rest[0].startswith("-") and not positionals):
            own.append(rest.pop(0))
        elif not positionals:
            positionals = 1
            own.append(rest.pop(0))
        else:
            break
    rest, trailing = _trailing_options(rest)
    return ExecWords((*own, *trailing), _command(rest))


def _has_value(word: str) -> bool:
    """Tell whether the word is an option of ours with its value, such as --host=compute1."""
    return word.startswith(tuple(f"{name}=" for name in EXEC_VALUED))


def _trailing_options(words: list[str]) -> tuple[list[str], list[str]]:
    """Take our own options off the end of a command that no ``--`` protects."""
    end = len(words)
    while end > 1:
        if _has_value(words[end - 1]):
            end -= 1
        elif end > 2 and words[end - 2] in EXEC_VALUED:
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
