"""Which Neutron: a release by its version, such as 28.0.2, or its series, such as 2026.1; or a source tree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, ValidationInfo

from fakevm.model.path import FilePath, from_folder
from fakevm.model.value import Value

# A project's name, its extras, which versions of it, and for which Pythons (PEP 508); or where to get it from.
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\s*(\[[\w.,\s-]*\])?\s*([<>=!~;@(][^\n]*)?|git\+\S+"
)
_ARCHIVES = (".whl", ".tar.gz", ".zip")


def _as_written(given: Any) -> Any:
    """Take 2026.1 without quotes, which YAML reads as a number."""
    return str(given) if isinstance(given, float) else given


def _is_known(name: str, info: ValidationInfo) -> str:
    """Compare a release with those that pydantic's context has, if any; all are named, as no number is like another."""
    known = (info.context or {}).get("release")
    if known and name not in known:
        raise ValueError(f"there is no release {name!r}. There are: {', '.join(sorted(known))}.")
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", name):
        raise ValueError("expected a version such as 28.0.2, or a series such as 2026.1")
    return name


ReleaseName = Annotated[
    str,
    AfterValidator(_is_known),
    BeforeValidator(_as_written, json_schema_input_type=str | float),
]


class TreeFile(Value):
    """A source tree of Neutron's, which runs with the libraries of a release; None is the nearest one."""

    path: FilePath = Field(description="The tree's folder: a checkout, or an unpacked sdist.")
    like: ReleaseName | None = Field(
        default=None, description="The release whose libraries it runs with; left out, the nearest one."
    )

    def __str__(self) -> str:
        return self.path


def _form(given: Any) -> str:
    return TreeFile.__name__ if isinstance(given, Mapping | TreeFile) else "name"


ReleaseFile = Annotated[
    Annotated[ReleaseName, Tag("name")] | Annotated[TreeFile, Tag(TreeFile.__name__)], Discriminator(_form)
]


def version(release: str | TreeFile) -> str:
    """Give the release whose libraries are used, where it is known."""
    return release if isinstance(release, str) else release.like or ""


def _package(given: str, info: ValidationInfo) -> str:
    if _is_path(given):
        return from_folder(given, info)
    if not _REQUIREMENT.fullmatch(given):
        raise ValueError("expected a package such as tap-as-a-service==18.0.0, or a path such as ./networking-foo")
    return given


def _is_path(given: str) -> bool:
    if given.startswith((".", "/")):
        return True
    return "://" not in given and "@" not in given and ("/" in given or given.endswith(_ARCHIVES))


# What pip installs, in its own words; paths are absolute when the file has been read.
Package = Annotated[str, AfterValidator(_package)]
