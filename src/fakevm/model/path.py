"""Paths in a lab file: they are seen from the folder that the file is in."""

from __future__ import annotations

import posixpath
from pathlib import PurePath
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

#: where pydantic's context has the folder; without it paths stay as they are
FOLDER = "folder"


def _absolute(given: str, info: ValidationInfo) -> str:
    return from_folder(given, info)


def from_folder(given: str, info: ValidationInfo) -> str:
    """Give a path as it is from anywhere; it need not be there. Raises ValueError for what can be no path."""
    if "\0" in given or "\n" in given:
        raise ValueError("a path is expected, in one line")
    folder = (info.context or {}).get(FOLDER)
    return posixpath.normpath(PurePath(folder, given)) if folder else given


FilePath = Annotated[str, Field(min_length=1), AfterValidator(_absolute)]
