"""The controller: os-ken with the switchboard and the application that programs the switches."""

from __future__ import annotations

import logging
import sys

from os_ken import cfg as os_ken_cfg
from os_ken.base import app_manager
from os_ken.lib import hub
from oslo_service import backend

from . import options
from .settings import CONF


class _End(BaseException):
    """What ends a thread of os-ken's."""


def main(arguments: list[str]) -> None:
    """Run until killed; ``arguments`` name the configuration files (``--config-file``)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # As Neutron itself does; oslo's default is eventlet.
    backend.init_backend(backend.BackendType.THREADING)
    CONF(args=arguments, project="neutron")
    settings = CONF[options.GROUP]
    os_ken_cfg.CONF(project="os_ken", args=[])
    os_ken_cfg.CONF.ofp_listen_host = settings.listen_address
    os_ken_cfg.CONF.ofp_tcp_listen_port = settings.listen_port
    # A host that lost its power says nothing: os-ken does not ask whether a switch is there, unless it is told to.
    os_ken_cfg.CONF.echo_request_interval = settings.report_interval / 2
    os_ken_cfg.CONF.maximum_unreplied_echo_requests = 2
    # os-ken 4.2.2 with native threads (lib/hub.py: TaskExit = Exception) takes any exception of an application for the
    # end of its thread, and says nothing. As with eventlet, it is to be logged, and the next event handled.
    if hub.TaskExit is Exception:
        hub.TaskExit = _End
    app_manager.AppManager.run_apps(["fakevm_openflow.switchboard", settings.application])


if __name__ == "__main__":
    main(sys.argv[1:])
