"""The tools that FakeVM uses where they are there: the machine's own, or those beside it."""

from __future__ import annotations

from fakevm import tool

from .finding import Finding, Status


def check() -> list[Finding]:
    """Look for every tool."""
    return [_find(name) for name in tool.TOOLS]


def _find(name: str) -> Finding:
    found, about = tool.look(name), tool.of(name)
    first = about.programs[0].rpartition("/")[2]
    return Finding(
        kind="tool",
        name=name,
        status=Status.OK if found else Status.MISSING,
        detail=str(found.path(first)) if found else "",
        without_it=about.about,
        remedy=f"fakevm tool install {name}",
    )
