"""Runs iperf3 clients side by side, each to a port of its own; a program of its own, run where the check begins.

``flows.py PORTS WORD...``: ``iperf3 WORD...`` for each of the ports, which commas separate; what they say, as a JSON
object by port. Standard library only.
"""

from __future__ import annotations

import json
import subprocess
import sys


def main(ports: list[str], words: list[str]) -> dict[str, str]:
    """Run them all to their ends."""
    running = {
        port: subprocess.Popen(["iperf3", *words, "--port", port], stdout=subprocess.PIPE, text=True) for port in ports
    }
    return {port: client.communicate()[0] for port, client in running.items()}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1].split(","), sys.argv[2:])))
