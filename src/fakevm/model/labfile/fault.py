"""Faults: what is broken while checks run."""

from __future__ import annotations

from pydantic import Field, model_validator

from fakevm.model.value import Value

from .reference import HostOrProgramRef, HostRef, ProgramRef
from .word import Zone


class FaultFile(Value):
    """A fault, by its kind and what has it: a host, as of ``fakevm host stop|kill|cut``, all hosts of a zone, or a
    program, as of ``fakevm lab restart|stop|kill``. One that is restarted or killed is back when the checks begin.
    """

    stop: HostOrProgramRef | None = Field(default=None, description="The host that is shut down, or the program.")
    kill: HostOrProgramRef | None = Field(
        default=None, description="The host that loses its power, or the program that crashes and comes back."
    )
    cut: HostRef | None = Field(default=None, description="The host that loses its network.")
    restart: ProgramRef | None = Field(
        default=None, description="The program that is restarted, such as compute1/neutron-openvswitch-agent."
    )
    kill_zone: Zone | None = Field(default=None, description="The availability zone whose hosts all lose their power.")

    @model_validator(mode="after")
    def _one(self) -> FaultFile:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("give one of stop, kill, cut, restart and kill_zone")
        return self

    @property
    def way(self) -> str:
        """What kind of fault it is."""
        return next(iter(self.model_dump(exclude_none=True)))

    @property
    def target(self) -> str:
        """The host, the zone or the program that has it."""
        return str(getattr(self, self.way))

    def __str__(self) -> str:
        return f"{self.way} {self.target}"
