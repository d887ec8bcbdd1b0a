"""``python -m fakevm_options``: print the options that the environment's libraries have, as JSON, by section.

Libraries list them by entry points of the group ``oslo.config.opts``, each a *namespace*. Neutron's leave out some of
its own (29.0.0: ``[FDB]``, ``[LOCAL_IP]``, ``[privsep_link]``…). So all that its modules register while they are
imported, or are asked to, is listed, too, without a namespace.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import pkgutil
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

from oslo_config import cfg

_LISTS, _DEFAULTS = "oslo.config.opts", "oslo.config.opts.defaults"
# Packages whose modules have functions that register options, and packages that register some when imported; single
# modules that do, and those that programs import (29.0.0).
_CONF, _EXTENSIONS = "neutron.conf", "neutron.extensions"
_MODULES = (
    "neutron.privileged",
    "neutron.agent.dhcp_agent",
    "neutron.agent.l3_agent",
    "neutron.agent.metadata_agent",
    "neutron.notifiers.nova",
    "neutron.notifiers.ironic",
    "neutron.pecan_wsgi.app",
    "neutron.plugins.ml2.drivers.openvswitch.agent.ovs_neutron_agent",
    "neutron.plugins.ml2.plugin",
    "oslo_messaging._metrics.client",
    "oslo_messaging.rpc.server",
)
_CLIENTS = ("designate", "ironic", "nova", "placement")

# Namespace, section, option.
Found = tuple[str, str, Any]


def main() -> None:
    """Print them."""
    with contextlib.redirect_stdout(sys.stderr):
        registered = _recorded()
        listed = list(_listed())
        _import_more()
    sections: dict[str, list[dict[str, Any]]] = {}
    seen = set()
    for namespace, section, opt in (*listed, *registered, *_of_clients()):
        name = namespace, section.lower(), opt.dest
        if name not in seen:
            seen.add(name)
            sections.setdefault(section, []).append(_entry(namespace, section, opt))
    print(json.dumps(sections, default=str))


def _recorded() -> list[Found]:
    """Record from now on what is registered, but for what is of command lines alone."""
    found: list[Found] = []
    register = cfg.ConfigOpts.register_opt

    def tell(conf: Any, opt: Any, group: Any = None, cli: bool = False, **more: Any) -> Any:
        if not cli:
            found.append(("", _section(group), opt))
        return register(conf, opt, group, cli, **more)

    cfg.ConfigOpts.register_opt = tell  # type: ignore[method-assign]
    return found


def _listed() -> Iterator[Found]:
    # Applications change defaults of libraries, such as oslo.log's.
    for point in entry_points(group=_DEFAULTS):
        with _told(point.name):
            point.load()()
    for point in entry_points(group=_LISTS):
        with _told(point.name):
            for group, opts in point.load()():
                yield from ((point.name, _section(group), opt) for opt in opts)


def _import_more() -> None:
    for module in (*_within(_CONF), *_within(_EXTENSIONS), *_MODULES):
        with _told(module):
            _ask(importlib.import_module(module))


def _of_clients() -> Iterator[Found]:
    """Give what Neutron's clients of other services register when they begin."""
    with _told("keystoneauth1"):
        loading = importlib.import_module("keystoneauth1.loading")
        for section in _CLIENTS:
            yield from (("", section, opt) for opt in loading.get_adapter_conf_options())


def _within(package: str) -> Iterator[str]:
    """Name the modules of a package."""
    path = importlib.import_module(package).__path__
    yield from (info.name for info in pkgutil.walk_packages(path, f"{package}."))


def _ask(module: Any) -> None:
    """Have a module of options register them."""
    for name, function in list(vars(module).items()):
        if module.__name__.startswith(_CONF) and name.startswith("register_") and _takes_a_registry(function):
            with _told(f"{module.__name__}.{name}"):
                function(cfg.ConfigOpts())


def _takes_a_registry(function: Any) -> bool:
    """Tell a function that registers options of its own from one that is given some."""
    if not inspect.isfunction(function):
        return False
    parameters = list(inspect.signature(function).parameters.values())
    return bool(parameters) and parameters[0].name.lower() in ("cfg", "conf")


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """Let what cannot be asked be missing, and say so."""
    try:
        yield
    except Exception as exc:
        print(f"cannot list the options of {name}: {exc!r}", file=sys.stderr)


def _section(group: Any) -> str:
    return str(getattr(group, "name", group) or "DEFAULT")


def _entry(namespace: str, section: str, opt: Any) -> dict[str, Any]:
    kind = opt.type
    # What holds for a list is said of its items.
    limits = getattr(kind, "item_type", None) or kind
    former = [(old.group or section, (old.name or opt.name).replace("-", "_")) for old in opt.deprecated_opts]
    return {
        "namespace": namespace,
        "name": opt.dest,
        "kind": _kind(kind),
        "item": _kind(limits),
        "default": opt.default,
        "minimum": getattr(limits, "min", None),
        "maximum": getattr(limits, "max", None),
        "choices": list(map(str, getattr(limits, "choices", None) or ())),
        "secret": bool(opt.secret),
        "help": " ".join(str(opt.help or "").split()),
        "removal": " ".join(str(opt.deprecated_reason or "it is deprecated").split())
        if opt.deprecated_for_removal
        else "",
        "former": former,
    }


def _kind(kind: Any) -> str:
    """Name a type as oslo.config does; keystoneauth's options have types of Python."""
    plain = {bool: "boolean value", int: "integer value", float: "floating point value"}
    return str(
        getattr(kind, "type_name", plain.get(kind, "string value") if inspect.isclass(kind) else "unknown value")
    )


if __name__ == "__main__":
    main()
