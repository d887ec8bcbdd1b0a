"""Which files of source trees a program imports, as far as the sources say it."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from . import tree

# What a package calls that imports all that is in it (neutron.objects does; 29.0.0).
_ALL = ("import_modules_recursively", "iter_modules", "walk_packages")
# What is imported by its name, as OpenStack does (oslo.utils' importutils), stands there as a word.
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.\w+)+")


class Imports:
    """The imports of the modules of some trees; what was read of a file is kept (in ``kept``) until it is another."""

    def __init__(self, trees: Iterable[Path], kept: Path) -> None:
        self._roots = [root for path in trees for root in tree.roots(path)]
        self._kept = kept
        self._said: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            self._said = json.loads(kept.read_text())

    def reached(self, names: Iterable[str]) -> set[Path]:
        """Find the files that are imported with these modules, and with what they import, at once or later."""
        found: set[Path] = set()
        coming = [file for name in names for file in self._files(name)]
        while coming:
            file = coming.pop()
            if file not in found:
                found.add(file)
                coming += [one for name in self._imported(file) for one in self._files(name)]
        with contextlib.suppress(OSError):
            self._kept.write_text(json.dumps(self._said))
        return found

    def _files(self, name: str) -> Iterator[Path]:
        """Find the file of a module, or of the module that has it, with the packages that it is in."""
        parts = name.split(".")
        for root in self._roots:
            if not (root / parts[0]).exists() and not (root / f"{parts[0]}.py").exists():
                continue
            place = root
            for part in parts:
                if (module := place / f"{part}.py").is_file():
                    yield module
                    break
                place /= part
                if not place.is_dir():
                    break
                if (package := place / "__init__.py").is_file():
                    yield package

    def _imported(self, file: Path) -> Sequence[str]:
        try:
            seen = file.stat()
            mark = [seen.st_mtime_ns, seen.st_size]
            known = self._said.get(str(file))
            if not known or known[0] != mark:
                known = self._said[str(file)] = [mark, sorted(set(_names(file, self._package(file))))]
        except (OSError, SyntaxError, ValueError):
            # Whoever imports it will say more.
            return ()
        names: Sequence[str] = known[1]
        return names

    def _package(self, file: Path) -> str:
        """Name the package that a file is in, or is."""
        root = next(root for root in self._roots if file.is_relative_to(root))
        return ".".join(file.relative_to(root).parent.parts)


def of_file(path: Path) -> list[str]:
    """Name what a script imports. Raises OSError, SyntaxError."""
    return sorted(set(_names(path, "")))


def _names(file: Path, package: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            yield node.value
        elif isinstance(node, ast.Call) and file.name == "__init__.py" and _called(node) in _ALL:
            yield from (f"{package}.{name}" for name in _within(file.parent))


def _called(node: ast.Call) -> str:
    return str(getattr(node.func, "attr", getattr(node.func, "id", "")))


def _within(folder: Path) -> Iterator[str]:
    """Name the modules of a package, as seen from it."""
    for file in sorted(folder.rglob("*.py")):
        yield ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
