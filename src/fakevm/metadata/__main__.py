"""``python -m fakevm.metadata LAB ADDRESS PORT``: the secret is in LAB/metadata/secret."""

from __future__ import annotations

import sys
from pathlib import Path

from . import server


def main() -> None:
    """Serve."""
    lab, address, port = sys.argv[1:]
    secret = Path(lab, "metadata/secret").read_text()
    server.serve(Path(lab), secret, address, int(port))


if __name__ == "__main__":
    main()
