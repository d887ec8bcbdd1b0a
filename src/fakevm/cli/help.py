"""What ``--help`` shows beside the arguments."""

from __future__ import annotations

import argparse
import textwrap

EXAMPLES = "examples:\n"


class HelpFormatter(argparse.HelpFormatter):
    """Fits paragraphs to the terminal, and leaves examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.strip().split("\n\n")
        return "\n\n".join(p if p.startswith(EXAMPLES) else textwrap.fill(p, width) for p in paragraphs) + "\n"


def with_examples(parser: argparse.ArgumentParser, *examples: str) -> None:
    """Add examples, a line each, to a command's help: before its options, of which cliff has many."""
    parser.formatter_class = HelpFormatter
    lines = "\n".join(f"  {example}" for example in examples)
    parser.description = f"{parser.description or ''}\n\n{EXAMPLES}{lines}"
