"""Every error FakeVM raises on purpose.

FakevmError                what went wrong, to what, and what to do next
├── InvalidInput           the user's words or file are wrong                (exit 2)
│   ├── NotFound           no such network, host, VIF, lab…
│   └── Ambiguous          a prefix or a name that fits several
├── Conflict               it is there already, or somewhere else
├── Prerequisite           a binary, kernel feature or permission is missing
├── Refused                Neutron said no
│   └── BindingFailed      Neutron could not bind the port
├── Unreachable            nobody answers: Neutron's API, the broker
│   └── AgentDown          the host's agent is not alive
├── TimedOut               a wait ended; says what was last seen
├── Gone                   what was worked on or waited for was taken away meanwhile
├── PlugFailed             the host could not wire or unwire the VIF
├── CommandFailed          a program that we ran ended badly; carries its last words
├── OutputLost             the result could not be printed
└── LabFailed              the lab, or a part of it, did not come up or go down
    └── LabUnfinished      it runs, but not all that its file wants is there

Errors cross RPC intact: see fakevm.rpc.codec.
"""

from __future__ import annotations


class FakevmError(Exception):
    """What went wrong (``what``) and what to do next (``hint``, may be empty)."""

    exit_status = 1

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n{self.hint}" if self.hint else self.what


class InvalidInput(FakevmError):
    """The user's words or file are wrong; ``at`` leads to the part of the lab file, if it is one of that."""

    exit_status = 2

    def __init__(self, what: str, *, hint: str = "", at: tuple[int | str, ...] = ()) -> None:
        super().__init__(what, hint=hint)
        self.at = at


class NotFound(InvalidInput):
    """There is no such thing."""


class Ambiguous(InvalidInput):
    """A prefix or a name that fits several things."""


class Conflict(FakevmError):
    """It is there already, or it is somewhere else."""


class Prerequisite(FakevmError):
    """A binary, a kernel feature or a permission is missing."""


class Refused(FakevmError):
    """Neutron refused a request."""


class BindingFailed(Refused):
    """Neutron could not bind a port to a host."""


class Unreachable(FakevmError):
    """Nobody answers: Neutron's API or the broker."""


class Busy(Unreachable):
    """Somebody is there who took the question, and gave no answer in time."""


class AgentDown(Unreachable):
    """The agent of a host is not alive."""


class TimedOut(FakevmError):
    """A wait ended without what it waited for; the text says what was last seen."""


class Gone(FakevmError):
    """What a command worked on, or waited for, was taken away meanwhile."""


class PlugFailed(FakevmError):
    """A host could not wire or unwire a VIF."""


class CommandFailed(FakevmError):
    """A program that we ran ended badly; the text carries its last words."""


class OutputLost(FakevmError):
    """The result could not be printed: a closed stream, a full disk."""


class LabFailed(FakevmError):
    """The lab, or a part of it, did not come up or go down."""


class LabUnfinished(LabFailed):
    """The lab runs, but not all that its file wants is there: `fakevm lab apply` goes on."""
