"""What a backend can be told in a lab file: keys of its own, below a key with its name."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, create_model

from fakevm.model.value import Value

from .lab import LabFile


class Options(Value):
    """The keys of one backend: derive from it. Each has a default, as the whole may be left out, and a description.

    The first line of the docstring says what they are for; editors show it.
    """


def with_options(options: Mapping[str, type[Options]]) -> type[LabFile]:
    """Give the form of a lab file in which backends have their options; ``options`` are those, by backend.

    A backend cannot have the name of another key: that keeps its meaning.
    """
    fields = {
        backend: (kind, Field(default=kind(), description=f"With the backend `{backend}`: {_about(kind)}"))
        for backend, kind in options.items()
        if backend not in LabFile.model_fields
    }
    if not fields:
        return LabFile
    # What pydantic takes names and types of fields as cannot be said in types.
    return create_model("LabFile", __base__=LabFile, __doc__=LabFile.__doc__, **fields)  # type: ignore[call-overload, no-any-return]


def options_of(lab: LabFile) -> Options | None:
    """Give what a lab file tells its backend; None: that has nothing to be told."""
    found = getattr(lab, lab.backend, None)
    return found if isinstance(found, Options) else None


def _about(kind: type[Options]) -> str:
    first = (kind.__doc__ or "").strip().partition("\n")[0]
    return first[:1].lower() + first[1:]
