"""The words of a lab file: names and numbers of a certain form."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

# Host names are part of namespace and device names, and a lab's name is its folder's.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
VlanId = Annotated[int, Field(ge=1, le=4094)]
