"""``fakevm release list|install|remove``: the Neutron releases on this machine."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from typing import Any

from cliff.columns import FormattableColumn

from fakevm import errors, release
from fakevm.cli.command import Command, Lister
from fakevm.cli.help import with_examples
from fakevm.cli.output import Several
from fakevm.cli.steps import ShownSteps
from fakevm.lab import releases

NAMES = "a version such as 28.0.2, or a series such as 2026.1"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _absent(version: str) -> str:
    """Say why a version cannot be installed here; empty when it can."""
    try:
        release.find_python(version)
    except errors.Prerequisite:
        return f"needs {release.pythons(version)}"
    return ""


class Size(FormattableColumn[int]):
    """Room on a disk, in bytes."""

    def human_readable(self) -> str:
        """Write it in megabytes."""
        return f"{self._value / 1e6:.0f} MB" if self._value else ""

    def machine_readable(self) -> int:
        """Keep the number."""
        return self._value


class ReleaseList(Lister):
    """List the Neutron releases that FakeVM knows: where they are installed, their size, the backends they run.

    Below a release are the programs that go with it (Keystone, Tempest), whose room is part of the release's, and what
    was derived from it, for lab files with packages or with a source tree: what that has beside
    it ("With") and the room that it takes beside it.
    """

    first = ("Version", "Series", "Status", "Backends")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        with_examples(parser, "fakevm release list", "fakevm release list -f json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Look in the caches."""
        from fakevm.backend import base

        backends = base.installed()
        columns = ("Version", "Series", "Status", "Size", "Backends", "With", "Path")
        rows = []
        for version in release.shipped():
            rows.append(self._row(version, backends))
            rows += [self._row(name, {}, release.called(name)) for name in release.kept_with(version)]
            for home in release.derived_from(version):
                made = release.made_from(home.name)
                rows.append(self._row(home.name, backends, made.words if made else ""))
        return columns, rows

    @staticmethod
    def _row(version: str, backends: dict[str, Any], beside: str = "") -> tuple[object, ...]:
        found = release.look(version)
        status = (
            "installed" if found.complete else _absent(version) or ("incomplete" if found.home else "not installed")
        )
        runs = Several(sorted(name for name, backend in backends.items() if backend.runs_on(version)))
        path = str(found.home / "venv") if found.home else ""
        return version, release.series(version), status, Size(found.size), runs, beside, path


class ReleaseInstall(Command):
    """Install Neutron releases into the cache ($FAKEVM_CACHE, root's or the user's own).

    What is installed already costs no time. After Ctrl-C the same command begins anew; pip keeps what it downloaded.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "releases", metavar="RELEASE", nargs="*", default=[release.DEFAULT],
            help=f"{NAMES}; by default {release.DEFAULT}",
        )  # fmt: skip
        with_examples(parser, "fakevm release install 28.0.2", "fakevm release install 2025.1 2025.2")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Install what is not there; the paths are printed. A name that is wrong is told before anything is done."""
        versions = [release.resolve(name) for name in parsed_args.releases]
        with ShownSteps() as steps:
            for version in versions:
                print(releases.install(version, steps))


class ReleaseRemove(Command):
    """Remove Neutron releases from the cache, or what is derived from one. One that a lab uses is left alone.

    With a release goes what is derived from it. `lab up` makes what it needs again.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "releases", metavar="RELEASE", nargs="*",
            help=f"{NAMES}; or a derived environment, by its name in `fakevm release list`",
        )  # fmt: skip
        parser.add_argument(
            "--unused", action="store_true", help="what is derived from releases, and no lab that runs uses"
        )
        with_examples(
            parser,
            "fakevm release remove 25.2.3",
            "fakevm release remove 2025.1 2025.2",
            "fakevm release remove --unused",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Remove each; one that is not there is an error."""
        if not parsed_args.releases and not parsed_args.unused:
            raise errors.InvalidInput("which releases?", hint="Name them, or say --unused. All: fakevm release list")
        if parsed_args.unused:
            self._remove_unused()
        for version in [release.resolve(name) for name in parsed_args.releases]:
            if not release.remove(version):
                raise errors.NotFound(
                    f"{release.called(version)} is not installed in {release.own_cache()}",
                    hint="See what is there: fakevm release list",
                )
            _tell(f"{release.called(version)} is removed from {release.own_cache()}")

    def _remove_unused(self) -> None:
        for name in list(release.unused()):
            size = release.look(name).size
            # A lab may have come up with it meanwhile.
            with suppress(errors.Conflict):
                release.remove(name)
                _tell(f"{name} is removed: {size / 1e6:.1f} MB")
