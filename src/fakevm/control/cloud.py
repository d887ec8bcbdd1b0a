"""Neutron of a cloud, through openstacksdk: it reads clouds.yaml and OS_*, gets tokens, finds the endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import openstack
from keystoneauth1 import exceptions as keystone
from openstack import exceptions as sdk
from openstack.connection import Connection

from fakevm.control.transport import LOOK_TIMEOUT, UNREACHABLE_HINT, Answer, patience, refusal
from fakevm.errors import FakevmError, InvalidInput, Refused, Unreachable

_SETTINGS_HINT = "Look at --os-cloud, clouds.yaml, OS_*."


class Cloud:
    """A transport through a connection of openstacksdk's, our own or the ``openstack`` client's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.without_keystone: bool = connection.config.config.get("auth_type") in ("none", "admin_token")

    def request(self, method: str, path: str, what: str, body: Any = None, query: Any = None) -> Answer:
        """See Transport."""
        # keystoneauth would send a change again whose answer was only late.
        retries: dict[str, Any] = {} if method == "GET" else {"connect_retries": 0}
        with translated(what):
            answer = self._connection.network.request(
                path, method, json=body, params=query, timeout=patience(method), **retries
            )
        return Answer(answer.status_code, str(answer.reason), answer.url, answer.content)


def connect(name: str | None) -> Cloud:
    """Read the settings of the cloud ``name``, or those of OS_*; nothing is sent yet. Raises InvalidInput."""
    settings: dict[str, Any] = {"cloud": name} if name else {}
    with translated("read the cloud's settings (clouds.yaml, OS_*)"):
        # A connection that the server never took is tried again.
        return Cloud(openstack.connect(api_timeout=LOOK_TIMEOUT, network_connect_retries=1, **settings))


def of(settings: Mapping[str, Any]) -> Cloud:
    """Reach a cloud by its settings (``control.credentials``); nothing is sent yet. Raises InvalidInput."""
    with translated("read the cloud's settings"):
        return Cloud(openstack.connect(api_timeout=LOOK_TIMEOUT, network_connect_retries=1, **settings))


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what openstacksdk and keystoneauth raise into our errors; ``what`` was being done."""
    try:
        yield
    except FakevmError:
        raise
    except keystone.Unauthorized as problem:
        raise Refused(f"could not {what}: {problem}", hint="Look at the user, password and project.") from problem
    except (keystone.ConnectFailure, keystone.DiscoveryFailure, keystone.EndpointNotFound) as problem:
        raise Unreachable(f"could not {what}: nobody answers. {problem}", hint=UNREACHABLE_HINT) from problem
    except (sdk.ConfigException, keystone.MissingRequiredOptions, keystone.NoMatchingPlugin) as problem:
        raise InvalidInput(f"could not {what}: {problem}", hint=_SETTINGS_HINT) from problem
    except sdk.HttpException as problem:
        reason = str(problem.details or problem)
        raise refusal(what, problem.status_code or 0, reason, str(problem.url or "")) from problem
    except (sdk.SDKException, keystone.ClientException) as problem:
        raise Unreachable(f"could not {what}: {problem}") from problem
