"""What ``--help`` shows beside the arguments."""

from __future__ import annotations

import argparse


def with_examples(parser: argparse.ArgumentParser, *examples: str) -> None:
    """Add examples, a line each, to a command's help."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "examples:\n" + "\n".join(f"  {example}" for example in examples)
