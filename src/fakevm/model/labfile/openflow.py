"""What the backend openflow can be told."""

from __future__ import annotations

from pydantic import Field

from fakevm.model.value import Value


class OpenflowFile(Value):
    """``application`` is the os-ken application that programs the switches: a module, or a Python file (a path)."""

    application: str = Field(
        default="",
        description="The os-ken application that programs the switches: a Python file or a module; by default "
        "FakeVM's own.",
    )
