"""The lab's receiver of what Neutron tells Nova: FakeVM's own program, from the environment that starts the lab."""

from __future__ import annotations

import sys
from pathlib import Path

from fakevm.model.program import Program

# Nova's own port.
PORT = 8774
ENDPOINT = f"http://127.0.0.1:{PORT}/v2.1"


def programs() -> tuple[Program, ...]:
    """The receiver: Neutron finds it in the lab, commands at the machine's loopback (the inherited descriptor 5)."""
    command = (f"{Path(sys.prefix)}/bin/neutron-fakevm-events", "--listen", f"127.0.0.1:{PORT}", "--listen-fd", "5")
    # It is there before Neutron, which does not try for long.
    return (Program(name="events", command=command, descriptors=(5,), held=False),)
