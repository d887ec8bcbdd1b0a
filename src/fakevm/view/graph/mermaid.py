"""A lab in Mermaid's language, which GitHub, GitLab and many wikis draw."""

from __future__ import annotations

from collections.abc import Iterator

from .scene import Box, Line, Scene

_SHAPES = {
    "guest": ("[", "]"),
    "network": ("([", "])"),
    "external": ("([", "])"),
    "router": ("{{", "}}"),
    "bridge": ("[/", "/]"),
    "far": ("((", "))"),
}


def write(scene: Scene) -> str:
    """Write a scene."""
    return "\n".join(_parts(scene)) + "\n"


def _parts(scene: Scene) -> Iterator[str]:
    # Mermaid takes few characters in a name, and none of its own words.
    names = {box.key: f"n{number}" for number, box in enumerate(scene.boxes)}
    yield "flowchart TB"
    for group, name in enumerate(("", *scene.groups)):
        inside = [_box(names[box.key], box) for box in scene.boxes if box.group == name]
        if not name:
            yield from (f"  {line}" for line in inside)
        elif inside:
            yield f"  subgraph h{group}[{_quoted(name)}]"
            yield from (f"    {line}" for line in inside)
            yield "  end"
    yield from (f"  {_line(line, names[line.one], names[line.other])}" for line in scene.lines)
    stopped = [names[box.key] for box in scene.boxes if box.state]
    if stopped:
        yield "  classDef stopped stroke-dasharray: 4 3, color: #808080"
        yield f"  class {','.join(stopped)} stopped"


def _box(name: str, box: Box) -> str:
    before, after = _SHAPES[box.kind]
    return f"{name}{before}{_quoted('<br>'.join(map(_escaped, (box.title, *box.lines))), escape=False)}{after}"


def _line(line: Line, one: str, other: str) -> str:
    said = line.label or " · ".join(filter(None, (line.near, line.far)))
    stroke = "-.-" if line.state in ("cut", "down", "lost") else "---"
    return f"{one} {stroke}|{_quoted(said)}| {other}" if said else f"{one} {stroke} {other}"


def _quoted(text: str, *, escape: bool = True) -> str:
    return f'"{_escaped(text) if escape else text}"'


def _escaped(text: str) -> str:
    """Write what Mermaid would take for its own as entities."""
    return "".join(f"#{ord(c)};" if c in '"<>&#;`\\' or not c.isprintable() else c for c in text)
