"""``fakevm release list|install|remove``: the Neutron releases on this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from cliff.command import Command
from cliff.lister import Lister

from fakevm import errors, release


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class ReleaseList(Lister):
    """List the Neutron releases that FakeVM knows, and where they are installed."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Iterable[tuple[str, ...]]]:
        """Look in the caches."""
        return ("Version", "Status", "Path"), [self._row(version) for version in release.shipped()]

    @staticmethod
    def _row(version: str) -> tuple[str, ...]:
        venv = release.find(version)
        return version, "installed" if venv else "not installed", str(venv or "")


class ReleaseInstall(Command):
    """Install Neutron releases into the cache ($FAKEVM_CACHE, root's or the user's own)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "versions", metavar="VERSION", nargs="*", default=[release.DEFAULT],
            help=f"by default {release.DEFAULT}",
        )  # fmt: skip
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Install what is not there; the paths are printed."""
        for version in parsed_args.versions:
            print(release.install(version, _tell))


class ReleaseRemove(Command):
    """Remove Neutron releases from the cache."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("versions", metavar="VERSION", nargs="+")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Remove each; one that is not there is an error."""
        for version in parsed_args.versions:
            if not release.remove(version):
                raise errors.NotFound(
                    f"Neutron {version} is not installed in {release.own_cache()}",
                    hint="See what is there: fakevm release list",
                )
            _tell(f"Neutron {version} is removed from {release.own_cache()}")
