"""Set-up of a checkout: ``python3 setup [packages] [fakevm] [neutron]``, all of them by default.

Only the standard library is there yet. What is there already costs no time.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parent.parent / "src"))

from fakevm import errors, release
from fakevm.linux import lock

import development
import packages
from steps import LOG, step


def _neutron() -> None:
    version = release.DEFAULT
    if release.find(version) is None:
        with step(f"Neutron {version}, in {release.own_cache()}") as doing:
            release.install(version, doing)


# Seconds that another set-up of this checkout is waited for: two at once take the environment from one another.
_OTHERS = 1800
_PARTS = {"packages": packages.install, "fakevm": development.install, "neutron": _neutron}


def main(arguments: list[str]) -> int:
    """Do the named parts in their order; the exit status tells whether all is there."""
    if unknown := [name for name in arguments if name not in _PARTS]:
        print(f"No such part: {' '.join(unknown)}. The parts are: {' '.join(_PARTS)}.", file=sys.stderr)
        return 2
    started = time.monotonic()
    LOG.parent.mkdir(exist_ok=True)
    print(f"Set-up (its log: {LOG})", flush=True)
    try:
        with lock.held(LOG.parent, _OTHERS, lambda: print("Another one is under way: waiting for it", flush=True)):
            for name, part in _PARTS.items():
                if not arguments or name in arguments:
                    part()
    except errors.FakevmError as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("\nInterrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    print(f"Set-up: all is there ({time.monotonic() - started:.1f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
