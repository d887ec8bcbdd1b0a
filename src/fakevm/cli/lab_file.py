"""The commands on lab files: schema, validate, init."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fakevm.backend import base as backends
from fakevm.cli.command import Command, Lister
from fakevm.cli.help import with_examples
from fakevm.cli.lab import need_programs
from fakevm.errors import Prerequisite
from fakevm.lab import datapath, draft, form, reading, releases
from fakevm.lab.problem import InvalidFile, Problem
from fakevm.lab.reading import Written
from fakevm.lab.settle.settling import settle
from fakevm.lab.topology.links import ends
from fakevm.model.labfile import LabFile


class LabSchema(Command):
    """Print the JSON Schema of lab files, for editors that complete and check them."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        with_examples(parser, "fakevm lab schema > lab-schema.json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Print it."""
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **form.whole().model_json_schema()}
        self.app.stdout.write(json.dumps(schema, indent=2) + "\n")


class LabValidate(Lister):
    """Check a lab file, and say all that is wrong with it; nothing is started.

    That is all that `lab up` would refuse, and what Neutron would refuse of its networks, routers and guests. Notes, on
    standard error, say what the lab will not do though the file asks for it, and what this machine lacks for it.

    With -f json (or yaml, csv) the problems are a list on standard output, for CI and editors: file, line, column,
    path, message and hint of each; [] when there are none. The exit status is 0 or 2 in any format.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", type=Path, help="the lab file (YAML)")
        with_examples(parser, "fakevm lab validate my-lab.yaml", "fakevm lab validate my-lab.yaml -f json")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Check it, and give the exit status."""
        self._status = 0
        return int(super().run(parsed_args)) or self._status

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """List what is wrong with it; a person is told what is in it, or all that is wrong as an error."""
        is_for_people = parsed_args.formatter == "table"
        try:
            written = reading.load(parsed_args.file)
            notes = _notes(written)
        except InvalidFile as error:
            if is_for_people:
                raise
            self._status = error.exit_status
            return Problem._fields, error.problems
        for note in notes:
            print(f"note: {note}", file=self.app.stderr)
        return (("Field", "Value"), _contents(written.lab)) if is_for_people else (Problem._fields, ())


def _contents(lab: LabFile) -> list[tuple[str, object]]:
    of_neutron = ("networks", "subnets", "routers", "security_groups", "ports", "floating_ips") if lab.neutron else ()
    interfaces = sum(len(guest.on_networks) for guest in lab.guests.values()) + sum(map(len, ends(lab).values()))
    return [
        ("name", lab.name),
        *((what, len(getattr(lab, what))) for what in ("hosts", *of_neutron, "guests")),
        ("interfaces", interfaces),
        *((what, len(getattr(lab, what))) for what in ("links", "bridges", "checks")),
    ]


def _notes(written: Written) -> list[str]:
    """Go the way of ``lab up`` as far as nothing is touched; say what will not be as the file says, or not here.

    Raises InvalidFile, NotFound.
    """
    lab, backend = written.lab, backends.load(written.lab.backend)
    lacking, kernel = [], True
    try:
        need_programs(lab, backend)
        kernel = datapath.choose(lab.datapath, open_vswitch=backend.open_vswitch)
    except Prerequisite as missing:
        lacking.append(f"this machine cannot run it: {missing.what}")
    settled = settle(lab, kernel_datapath=kernel, place=written.place)
    try:
        releases.refuse_without_python(settled.lab)
    except Prerequisite as missing:
        lacking.append(f"this machine cannot run it: {missing.what}")
    return [*(str(written.place(note)) for note in settled.notes), *lacking]


class LabInit(Lister):
    """Write a commented lab file to begin with; without TEMPLATE, list what there is."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Declare the arguments."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("template", metavar="TEMPLATE", nargs="?", help="which; see the list")
        parser.add_argument(
            "--output",
            metavar="FILE",
            type=Path,
            help="the file to write, which is not there yet (default: print it)",
        )
        with_examples(parser, "fakevm lab init", "fakevm lab init selfservice --output my-lab.yaml")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """List the templates, or give none: then one was written."""
        if not parsed_args.template:
            return ("template", "about"), [(name, draft.about(name)) for name in draft.names()]
        if parsed_args.output:
            draft.write(parsed_args.template, parsed_args.output)
        else:
            sys.stdout.write(draft.text(parsed_args.template))
        return (), ()

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Any, data: Any) -> int:
        """Show the list, if there is one."""
        return int(super().produce_output(parsed_args, column_names, data)) if column_names else 0
