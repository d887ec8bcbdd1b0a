"""Elements of HTML and SVG; the standard library escapes what is in them."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

Child = Element | str | None

# What XML forbids, and a page has no use for: a program's last words may hold them.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def element(tag: str, *children: Child, **attributes: str | float | None) -> Element:
    """Make an element; None among the children and attributes is left out.

    In an attribute's name a trailing ``_`` is dropped (``class_``) and others become ``-`` (``stroke_width``).
    """
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_").replace("_", "-"), _text(value))
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif child is not None and last is None:
            made.text = (made.text or "") + _text(child)
        elif child is not None and last is not None:
            last.tail = (last.tail or "") + _text(child)
    return made


def html(root: Element) -> str:
    """Write an element and all below it as HTML."""
    return ElementTree.tostring(root, encoding="unicode", method="html")


def _text(value: str | float) -> str:
    return (
        _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", value)
        if isinstance(value, str)
        else f"{value:.2f}".rstrip("0").rstrip(".")
    )
