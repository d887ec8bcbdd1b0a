"""``fakevm graph``: a lab, or a lab file, as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from fakevm.cli.app import lab_of
from fakevm.cli.command import Command
from fakevm.cli.help import with_examples
from fakevm.errors import NotFound
from fakevm.lab import reading, registry
from fakevm.lab.graph import seen, written
from fakevm.model.graph import Graph as Picture
from fakevm.view import file
from fakevm.view.graph import dot, mermaid, svg
from fakevm.view.graph.scene import scene

FORMATS = ("svg", "dot", "mermaid", "json")


class Graph(Command):
    """Draw a lab: its hosts, guests and their interfaces, networks, routers, bridges and links.

    Of a lab that runs it is what is there now: guests on the hosts where they are, stopped or not, with their
    addresses; links that are cut; and Neutron's networks, whoever made them. Of a lab file it is what the file says;
    nothing needs to run. An SVG is laid out by Graphviz; it is light or dark as the screen of who looks at it.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "what", metavar="FILE|LAB", nargs="?", type=Path,
            help="a lab file, or the name of a lab (default: the lab that runs)",
        )  # fmt: skip
        parser.add_argument(
            "-f", "--format", choices=FORMATS, default="svg",
            help="svg, the languages of Graphviz and Mermaid, or json (default: svg)",
        )  # fmt: skip
        parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="the file to write (default: print it)")
        with_examples(
            parser, "fakevm graph -o lab.svg", "fakevm graph my-lab.yaml -o my-lab.svg", "fakevm graph -f mermaid"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Draw it."""
        if parsed_args.output:
            file.check(parsed_args.output)
        text = _draw(self._graph(parsed_args), parsed_args.format)
        if parsed_args.output:
            file.write(parsed_args.output, text)
        else:
            self.app.stdout.write(text)

    def _graph(self, parsed_args: argparse.Namespace) -> Picture:
        what = parsed_args.what
        if what and _is_file(what):
            return written.graph(reading.load(what))
        found = seen.graph(registry.choose(str(what) if what else lab_of(self.app, parsed_args)))
        for unknown in found.unknown:
            print(f"note: {unknown}", file=self.app.stderr)
        return found.graph


def _is_file(what: Path) -> bool:
    """Tell a file from a lab's name. Raises NotFound: it is neither."""
    looks_so = what.suffix in (".yaml", ".yml") or len(what.parts) > 1
    if looks_so or (what.is_file() and str(what) not in registry.names()):
        return True
    if str(what) not in registry.names():
        raise NotFound(f"there is neither a file nor a lab {str(what)!r}", hint=registry.known())
    return False


def _draw(graph: Picture, form: str) -> str:
    if form == "json":
        return graph.model_dump_json(indent=2) + "\n"
    if form == "svg":
        return svg.draw(scene(graph))
    whole = scene(graph, whole=True)
    return dot.write(whole) if form == "dot" else mermaid.write(whole)
