"""The common part of cloud-config: users, files and commands; all else is named on the console, and left.

See cloud-init's modules cc_users_groups, cc_write_files, cc_runcmd, cc_bootcmd, cc_ssh.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import shlex
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from . import image
from .inside import Inside

# What there is nothing to do about: it is so, or it is nothing that a test would wait for.
_IDLE = {"disable_root", "ssh_pwauth", "final_message", "manage_etc_hosts", "preserve_hostname", "output", "merge_how"}


class CloudConfig:
    """What cloud-config says, done in a guest.

    :param user: the image's user, whom cloud-config calls ``default``
    :param told: takes a line for the console
    """

    def __init__(self, inside: Inside, user: str, told: Callable[[str], None]) -> None:
        self._inside = inside
        self._user = user
        self._told = told

    def apply(self, text: bytes) -> str:
        """Do what a document says but its commands; gives these, as a script (empty: none)."""
        try:
            config = yaml.safe_load(text)
        # What looks like a date and is none is a ValueError.
        except (yaml.YAMLError, ValueError, RecursionError) as exc:
            self._told(f"the cloud-config is no YAML, and is left: {' '.join(str(exc).split())}")
            return ""
        if not isinstance(config, Mapping):
            self._told("the cloud-config is no map of keys, and is left")
            return ""
        done = {
            "bootcmd": self._bootcmd,
            "write_files": self._write_files,
            "users": self._users,
            "ssh_authorized_keys": self._keys,
        }
        for key in config:
            if key not in (*done, *_IDLE, "runcmd"):
                self._told(f"cloud-config: {key} is ignored")
        for key, do in done.items():
            if key in config:
                self._each(key, config[key], do)
        return _script(config["runcmd"]) if isinstance(config.get("runcmd"), list) else ""

    def _each(self, key: str, values: Any, do: Callable[[Any], str]) -> None:
        for value in values if isinstance(values, list) else [values]:
            try:
                problem = do(value)
            # OSError: a command may be too long.
            except (ValueError, KeyError, TypeError, AttributeError, OSError) as exc:
                problem = f"it is not as it should be ({type(exc).__name__}: {exc})"
            if problem:
                self._told(f"cloud-config: {key}: {problem}")

    def _bootcmd(self, command: Any) -> str:
        status, said = self._inside.run(["sh", "-c", _line(command)])
        if said:
            self._told(said)
        return f"it ended with status {status}" if status else ""

    def _write_files(self, file: Mapping[str, Any]) -> str:
        content = _decoded(file.get("content") or "", str(file.get("encoding") or ""))
        return self._inside.write(
            str(file["path"]),
            content,
            mode=_mode(file.get("permissions", "0644")),
            owner=str(file.get("owner") or ""),
            append=bool(file.get("append")),
        )

    def _users(self, user: Any) -> str:
        if user == "default":
            return ""
        wanted: Mapping[str, Any] = {"name": user} if isinstance(user, str) else user
        name = str(wanted["name"])
        groups = wanted.get("groups") or []
        groups = groups.split(",") if isinstance(groups, str) else groups
        sudo = wanted.get("sudo") or []
        sudo = [sudo] if isinstance(sudo, str) else sudo
        problem = image.add_user(
            self._inside,
            name,
            groups=[str(group).strip() for group in groups],
            shell=str(wanted.get("shell") or ""),
            sudo=[str(line) for line in sudo],
        )
        keys = wanted.get("ssh_authorized_keys") or wanted.get("ssh-authorized-keys") or []
        return problem or image.let_in(self._inside, name, [str(key) for key in keys])

    def _keys(self, key: Any) -> str:
        return image.let_in(self._inside, self._user, [str(key)])


def _script(commands: list[Any]) -> str:
    return "".join(f"{line}\n" for line in ("#!/bin/sh", *map(_line, commands)))


def _line(command: Any) -> str:
    """Write a command, a line of the shell's or a list of words, as a line of the shell's."""
    return shlex.join(str(word) for word in command) if isinstance(command, list) else str(command)


def _mode(given: Any) -> str:
    """Give permissions in octal digits: YAML takes 0644 for a number, which is octal there, too."""
    if isinstance(given, int):
        return f"{given:04o}"
    int(str(given), 8)
    return str(given)


def _decoded(content: Any, encoding: str) -> bytes:
    """Decode the content of a file, which YAML itself may have made bytes of (!!binary). Raises ValueError."""
    data = content if isinstance(content, bytes) else str(content).encode()
    try:
        for coding in reversed(encoding.lower().replace("gzip", "gz").replace("base64", "b64").split("+")):
            if coding == "b64":
                data = base64.b64decode(data)
            elif coding == "gz":
                data = gzip.decompress(data)
            elif coding not in ("", "text/plain"):
                raise ValueError(f"the encoding {encoding!r} is unknown")
    except (binascii.Error, OSError, EOFError, zlib.error) as exc:
        raise ValueError(f"the content is not in the encoding {encoding!r}") from exc
    return data
