"""Whom a lab's Neutron answers."""

from __future__ import annotations

from typing import Literal, get_args

Auth = Literal["token", "none"]
DEFAULT_AUTH: Auth = "token"
AUTHS: tuple[Auth, ...] = get_args(Auth)
