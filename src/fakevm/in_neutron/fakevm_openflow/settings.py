"""The controller's configuration: files of Neutron's server, read once at its start."""

from __future__ import annotations

from oslo_config import cfg

from . import options

# The process's own: oslo.messaging looks for some of its options there.
CONF = cfg.CONF
options.register(CONF)
