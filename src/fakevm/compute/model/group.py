"""Groups of servers that are to be together, or apart."""

from __future__ import annotations

from typing import Literal

from fakevm.model.value import Value

Policy = Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]


class Group(Value):
    """One of them; its members are those servers that name it."""

    id: str
    name: str
    project_id: str
    user_id: str
    policy: Policy
    rules: dict[str, int] = {}
