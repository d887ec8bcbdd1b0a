"""Imports at once what the agent imports late: for a warmed process, which forks agents (docs/adr/0034)."""

from __future__ import annotations

from fakevm.rpc.threads import choose_threads

choose_threads()

import encodings.idna  # noqa: E402, F401

import kombu.transport.pyamqp  # noqa: E402, F401
import oslo_messaging._drivers.impl_rabbit  # noqa: E402, F401
import vif_plug_noop.noop  # noqa: E402, F401
import vif_plug_ovs.ovs  # noqa: E402, F401
from os_vif import objects  # noqa: E402
from oslo_log import log  # noqa: E402, F401

import fakevm.guest.namespace  # noqa: E402, F401

from . import config, earlier, emulation, execution, manager, plugin, recovery, reports, server, watching  # noqa: E402, F401

objects.register_all()
plugin.import_all()
