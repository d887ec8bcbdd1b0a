"""A plug that is cut short, as a program on a host: half of it is made, then it is undone, twice.

Reads the port (fakevm.model.port.Port, JSON) from standard input; its arguments are those of ``neutron-fakevm-agent``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fakevm import names
from fakevm.agent import config, plugin
from fakevm.agent.attachments import interface_of
from fakevm.guest.base import Wired
from fakevm.guest.namespace import NamespaceKind
from fakevm.model.guest import Guest
from fakevm.model.port import Port


def main(argv: Sequence[str]) -> None:
    """Make the guest and its device, but do not connect it; then undo all."""
    conf = config.load(argv)
    port = Port.model_validate_json(sys.stdin.read())
    driver = plugin.load(conf.fakevm.fakevm_agent_plugin, conf)
    kind, interface = NamespaceKind(conf.fakevm.host, Path(conf.fakevm.state_path)), interface_of(port, 0)
    guest = Guest(id=port.instance_id, namespace=names.guest_namespace(conf.fakevm.host, port.id))
    kind.make(guest, [Wired(interface, driver.prepare(port))])
    kind.remove(guest, [interface])
    for _ in range(2):
        driver.unplug(port)


if __name__ == "__main__":
    main(sys.argv[1:])
