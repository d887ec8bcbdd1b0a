"""``bench/run``: measures, shows a table, writes JSON."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from .figure import Figure, loop, machine, table, write

RESULTS = Path(__file__).parent / "results"
GROUPS = ("guests", "bare", "lab", "exec", "ports", "migrate", "examples")
# Measured only when they are asked for: they need more than a machine has after set-up, or labs of their own.
LARGE = ("impair", "kinds", "leaf_spine", "ovn", "releases", "scale", "ssh", "tree", "upgrade", "warm")

# Of those that bring labs of their own and are measured alike: the module, and what it is called.
ALONE = {
    "bare": ("without_neutron", "a lab without Neutron"),
    "leaf_spine": ("leaf_spine", "leaf-spine"),
    "ssh": ("ssh", "ssh"),
    "scale": ("scale", "scale"),
    "tree": ("own_tree", "Neutron's source tree"),
    "impair": ("impair", "impairments and shapes"),
    "ovn": ("ovn", "ovn"),
}


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench/run", description="Measure FakeVM against its goals.")
    parser.add_argument(
        "--only", metavar="GROUP", action="append", choices=GROUPS + LARGE,
        help=f"one of {', '.join(GROUPS + LARGE)}; may be repeated; without it: all but {', '.join(LARGE)}",
    )  # fmt: skip
    parser.add_argument(
        "--json", metavar="FILE", type=Path, default=RESULTS / "latest.json", help="default: %(default)s"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and guests: a look, not a measurement")
    return parser.parse_args(words)


def measure(only: Sequence[str], quick: bool, found: list[Figure]) -> None:
    """Measure the groups asked for, into ``found``; those that need a lab share one."""
    if "guests" in only:
        from . import guests

        _say("guests")
        found += guests.figures(quick)
    for name, (module, title) in ALONE.items():
        if name in only:
            _say(title)
            importlib.import_module(f".{module}", __package__).measure(quick, found)
    if "releases" in only:
        from . import releases

        _say("releases")
        releases.measure(found)
    if "upgrade" in only:
        from . import upgrade

        _say("upgrade")
        upgrade.measure_all(found)
    if "warm" in only:
        from . import warm

        _say("warm")
        warm.measure(found)
    if "examples" in only:
        from . import examples

        for figure in examples.figures(quick):
            _say(f"{figure.topic}: {figure.name}")
            found.append(figure)
    if set(only) - {"guests", "bare", "examples", *LARGE} or "kinds" in only:
        _measure_in_lab(only, quick, found)


def _measure_in_lab(only: Sequence[str], quick: bool, found: list[Figure]) -> None:
    from . import execution, kinds, lab, migration, ports

    _say("lab up")
    times = lab.Times()
    with lab.running(times):
        memory = lab.memory(goal=2500) if "lab" in only else []
        if "exec" in only:
            _say("exec")
            found += execution.figures(quick)
        if "ports" in only:
            _say("ports")
            found += ports.figures(quick)
        if "kinds" in only:
            _say("kinds")
            found += kinds.figures(quick)
        if "migrate" in only:
            _say("migrate")
            found += migration.figures(quick)
    if "lab" in only:
        found += [*lab.figures(times), *memory]


def _say(what: str) -> None:
    print(f"measuring: {what}", file=sys.stderr, flush=True)


def _end(*_: object) -> None:
    """End so that the lab is taken down; ``timeout`` tells us twice, which must not end that, too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def main() -> None:
    """Measure, show, write; what was measured before a failure is shown too."""
    arguments = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, _end)
    where = machine()
    figures: list[Figure] = []
    try:
        measure(arguments.only or GROUPS, arguments.quick, figures)
    finally:
        print(table(figures))
        where["loop_after"] = loop()
        write(arguments.json, figures, where)
    over = [figure for figure in figures if figure.verdict in ("over", "below")]
    met = sum(figure.verdict == "ok" for figure in figures)
    print(f"\n{met} goals met, {len(over)} not; as JSON: {arguments.json}")
    print(f"measured on {where['cores']} cores with a load of {where['load_before']:.1f} before;")
    print(f"two million turns of a loop took {where['loop_before']:.2f} s before, {where['loop_after']:.2f} s after")


main()
