"""A lab in Graphviz's language, for who wants to draw it otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from .scene import Box, Line, Scene

_SHAPES = {
    "guest": "shape=box",
    "network": 'shape=box, style="rounded,filled", fillcolor=lightblue',
    "external": 'shape=box, style="rounded,filled,dashed", fillcolor=lightblue',
    "router": "shape=ellipse, style=filled, fillcolor=wheat",
    "bridge": "shape=parallelogram, style=filled, fillcolor=lightblue",
    "far": "shape=plaintext",
}


def quoted(text: str) -> str:
    """Write a text as Graphviz reads it for nothing else."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def write(scene: Scene) -> str:
    """Write a scene."""
    return "\n".join(_parts(scene)) + "\n"


def _parts(scene: Scene) -> Iterator[str]:
    yield f"graph {quoted(scene.title)} {{"
    yield '  graph [fontname="sans-serif"]; node [fontname="sans-serif"]; edge [fontname="sans-serif", fontsize=10];'
    for name in ("", *scene.groups):
        inside = [f"{_box(box)}" for box in scene.boxes if box.group == name]
        if not name:
            yield from (f"  {line}" for line in inside)
            continue
        yield f"  subgraph {quoted(f'cluster {name}')} {{"
        yield f"    label={quoted(name)}; style=rounded;"
        yield from (f"    {line}" for line in inside)
        yield "  }"
    yield from (f"  {_line(line)}" for line in scene.lines)
    yield "}"


def _box(box: Box) -> str:
    label = quoted("\n".join((box.title, *box.lines)))
    stopped = ", style=dashed" if box.state else ""
    return f"{quoted(box.key)} [label={label}, {_SHAPES[box.kind]}{stopped}];"


def _line(line: Line) -> str:
    ends = {"taillabel": line.near, "headlabel": line.far, "label": line.label, "tooltip": line.tip}
    settings = [f"{name}={quoted(text)}" for name, text in ends.items() if text]
    if line.state in ("cut", "down", "lost"):
        settings += ["style=dashed", "color=red"]
    return f"{quoted(line.one)} -- {quoted(line.other)} [{', '.join(settings)}];"
