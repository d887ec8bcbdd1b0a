"""What ended a program, by what it wrote."""

from __future__ import annotations

import re

# What oslo.log writes of an exception that nobody caught, or of an error: the words behind its context in brackets.
_CRITICAL, _ERROR = (re.compile(rf"^[-\d]+ [:.\d]+ \d+ {word} \S+ \[.*?\] (.*)") for word in ("CRITICAL", "ERROR"))
_TRACEBACK = "Traceback (most recent call last):"


def verdict(text: str) -> str:
    """Find what ended a program: what nobody caught, as oslo.log tells it, or as Python does; empty when neither is."""
    written = text.strip().splitlines()
    for number in range(len(written) - 1, -1, -1):
        line = written[number]
        if found := _CRITICAL.search(line):
            return found[1]
        if line.startswith(_TRACEBACK):
            said = (one for one in written[number + 1 :] if not one.startswith(" "))
            return next(said, "")
    # Some tell what is wrong, and end.
    return next((found[1] for line in reversed(written) if (found := _ERROR.search(line))), "")
