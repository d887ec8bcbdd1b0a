"""Whom a lab's Neutron answers."""

from __future__ import annotations

from typing import Literal, get_args

Auth = Literal["token", "none", "keystone"]
DEFAULT_AUTH: Auth = "token"
#: with Keystone, whose the resources of a file are that names nobody: the administrator's
DEFAULT_PROJECT = "admin"
AUTHS: tuple[Auth, ...] = get_args(Auth)
