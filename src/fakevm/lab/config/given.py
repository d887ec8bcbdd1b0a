"""The files of what a lab file says to Neutron's programs; each program reads its own last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from fakevm.model import config
from fakevm.model.labfile.config import Sections
from fakevm.model.plan import HostPlan, LabPlan
from fakevm.model.program import Program

from . import known, option


def of_server(plan: LabPlan, python_path: tuple[Path, ...]) -> dict[str, str]:
    """Give the server's: name → text. Raises CommandFailed."""
    return {
        config.given(word): _text(word, plan.release, python_path, [plan.config.get(word, {})])
        for word in config.SERVER_WORDS
    }


def of_agents(plan: LabPlan, host: HostPlan, binaries: Iterable[str], python_path: tuple[Path, ...]) -> dict[str, str]:
    """Give those of a host's agents, by their programs: name → text. Raises CommandFailed."""
    words = map(config.word, binaries)
    both = {word: [plan.config.get(word, {}), host.config.get(word, {})] for word in words}
    return {config.given(word): _text(word, host.release, python_path, given) for word, given in both.items()}


def marked(programs: Iterable[Program], plan: LabPlan, host: HostPlan | None = None) -> tuple[Program, ...]:
    """Give programs of the lab, or of a host, with whether their files set ``[DEFAULT] debug``."""
    folder = f"/run/fakevm/hosts/{host.name}" if host else config.SERVER
    words = {*plan.config, *(host.config if host else ())}
    both = {word: [plan.config.get(word, {}), host.config.get(word, {}) if host else {}] for word in words}
    debugging = {f"{folder}/{config.given(word)}" for word, given in both.items() if _debugs(given)}
    return tuple(
        program.model_copy(update={"debug": True}) if config.files_of(program) & debugging else program
        for program in programs
    )


def _debugs(given: Iterable[Sections]) -> bool:
    said = [sections["DEFAULT"]["debug"] for sections in given if "debug" in sections.get("DEFAULT", {})]
    return bool(said) and option.is_true(said[-1])


def over(
    settings: Mapping[str, Mapping[str, object]], word: str, plan: LabPlan, python_path: tuple[Path, ...]
) -> dict[str, dict[str, object]]:
    """Give what FakeVM sets with what the file says to a program of the server in its place. Raises CommandFailed."""
    found = {section: dict(options) for section, options in settings.items()}
    if sections := plan.config.get(word):
        for one, value in known.flat(known.of(word, plan.release, python_path), sections).values():
            found.setdefault(one.section, {})[one.name] = value
    return found


def _text(word: str, release: str, python_path: tuple[Path, ...], given: list[Sections]) -> str:
    return known.text(known.of(word, release, python_path), *given) if any(given) else ""
