"""Neutron's server in the lab: API under uwsgi, rpc-server and periodic workers, all unpatched."""

from __future__ import annotations

from pathlib import Path

from fakevm.backend.base import Backend
from fakevm.model import config
from fakevm.model.plan import IdentityPlan, LabPlan
from fakevm.model.program import Program

from . import database, event_receiver, files, keystone, mtu, readiness
from .config import given
from .doors import Doors
from .part import Part, Run
from .services import loading

HOME = config.SERVER
PRIVSEP_CONTEXTS = (
    "privsep",
    "privsep_dhcp_release",
    "privsep_ovs_vsctl",
    "privsep_namespace",
    "privsep_conntrack",
    "privsep_link",
)
# Named by its path, so that nothing else of the folder is seen by Neutron.
_CLOSED = Path(__file__).parent.parent / "in_neutron/fakevm_token.py"
_TOKEN_VARIABLE = "FAKEVM_TOKEN_FILE"
_TOKEN = "token"
_SCHEDULER_OF_ZONES = "neutron.scheduler.l3_agent_scheduler.AZLeastRoutersScheduler"
LIMITED = ("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule")


def common_settings(plan: LabPlan) -> dict[str, dict[str, object]]:
    """Give what the server and every agent have in common."""
    return {
        "DEFAULT": {
            "transport_url": plan.transport_url,
            "state_path": "/run/neutron",
            "use_syslog": False,
            # Agents report often, so that a dead host is noticed within half a minute.
            "agent_down_time": 30,
            "core_plugin": "ml2",
            **mtu.general(plan),
        },
        "oslo_concurrency": {"lock_path": "/run/neutron/lock"},
        # The broker comes up while programs start: they try each second, not after 1, 3, 5… seconds.
        "oslo_messaging_rabbit": {"rabbit_retry_backoff": 0},
    }


def server_settings(plan: LabPlan, backend: Backend) -> dict[str, dict[str, object]]:
    """Give the sections of the server's ``neutron.conf``."""
    settings = common_settings(plan)
    settings["DEFAULT"] |= {
        "auth_strategy": "noauth",
        "api_paste_config": f"{plan.venv}/etc/neutron/api-paste.ini",
        "rpc_workers": 1,
        # The RPC worker takes state reports too (neutron.plugins.ml2.plugin, start_rpc_listeners).
        "rpc_state_report_workers": 0,
        "allow_automatic_dhcp_failover": True,
        "dhcp_agents_per_network": max(1, sum("dhcp" in host.roles for host in plan.hosts)),
        # Without them the migration of a port fails: Ml2Plugin then has no nova_notifier (29.0.0).
        "notify_nova_on_port_status_changes": True,
        "notify_nova_on_port_data_changes": True,
        # An event leaves at once, those of the next so many seconds wait for one another: with the default of 2 longer
        # than most steps of a migration take. 1 is the least that Neutron accepts. Figures are in ADR 0014.
        "send_events_interval": 1,
    }
    settings |= {
        "database": {"connection": database.url(plan), "max_pool_size": 5, "max_overflow": 20},
        "nova": event_receiver.settings(plan),
        # Quotas are for clouds with several users: a big lab has more networks and rules than their defaults allow.
        "quotas": {"default_quota": -1, **{f"quota_{kind}": -1 for kind in LIMITED}},
        "oslo_policy": {"policy_file": f"{HOME}/policy.yaml"},
    }
    if any(host.zone for host in plan.hosts):
        # The default one does not look at zones.
        settings["DEFAULT"] |= {"router_scheduler_driver": _SCHEDULER_OF_ZONES}
    if plan.identity:
        settings["DEFAULT"]["auth_strategy"] = "keystone"
        settings["keystone_authtoken"] = keystone.token_settings(plan.identity)
        # As Neutron ships them: there are projects, and roles for them.
        del settings["quotas"], settings["oslo_policy"]
    for section, options in backend.server_settings(plan).items():
        settings[section] = settings.get(section, {}) | dict(options)
    loaded = str(settings["DEFAULT"].get("service_plugins", "")).split(",")
    plugins = dict.fromkeys(filter(None, (*loaded, *plan.service_plugins)))
    settings["DEFAULT"]["service_plugins"] = ",".join(plugins)
    return loading.server(plan, settings)


def write(plan: LabPlan, backend: Backend, directory: Path) -> None:
    """Write the server's configuration."""
    folder = directory / "neutron"
    files.write(folder / "neutron.conf", files.ini(server_settings(plan, backend)))
    files.write(folder / "ml2.ini", files.ini(loading.ml2(plan, files.joined(backend.ml2(plan), mtu.ml2(plan)))))
    for name, text in given.of_server(plan, backend.python_path).items():
        files.write(folder / name, text)
    if not plan.identity:
        # Bindings need the role "service", which noauth's administrator lacks.
        files.write(folder / "policy.yaml", '"service_api": "role:service or rule:context_is_admin"\n')
    files.write(folder / "uwsgi.ini", files.ini({"uwsgi": _uwsgi(plan)}))
    if plan.token:
        files.write(folder / _TOKEN, plan.token)


def _uwsgi(plan: LabPlan) -> dict[str, object]:
    return {
        # A listening socket of the machine's loopback, made outside and inherited: no proxy is needed.
        "http-socket": "fd://3" if not plan.identity else files.Repeated(("fd://3", _inside(plan.identity))),
        **({"wsgi-file": _CLOSED} if plan.token else {"module": "neutron.wsgi.api:application"}),
        "master": True,
        "processes": 2,
        "threads": 1,
        "lazy-apps": True,
        "need-app": True,
        "enable-threads": True,
        "die-on-term": True,
        # Workers whose master was killed would go on answering beside those of the next.
        "no-orphans": True,
        "buffer-size": 65535,
        "start-time": "%t",
        # http-socket does not keep connections alive properly: clients would see resets.
        "add-header": "Connection: close",
        # Behind a token what is answered is written down, and nothing else (fakevm_token).
        "disable-logging": bool(plan.token),
        "log-master": False,
        **_preloaded(plan),
    }


def _inside(identity: IdentityPlan) -> str:
    """Give the address in the lab that Keystone's catalogue has for the API.

    By its name: uwsgi takes an inherited socket of another network namespace for the one that it is to open, where both
    are written alike.
    """
    return f"localhost:{identity.api_port}"


def _preloaded(plan: LabPlan) -> dict[str, object]:
    """Let the API's processes fork when most of Neutron is imported, as neutron-rpc-server does, and begin after it.

    Each saves seconds of a processor, and memory. With older releases eventlet must be there before all imports.
    """
    return {"shared-import": "neutron.plugins.ml2.plugin"} if plan.threaded else {}


def programs(plan: LabPlan, backend: Backend) -> tuple[Program, ...]:
    """The server's three programs."""
    environment = backend.environment()
    ours = {config.FOLDER_VARIABLE: HOME, config.FILES_VARIABLE: ";".join(config.of_server())}
    if plan.token:
        ours[_TOKEN_VARIABLE] = f"{HOME}/{_TOKEN}"
    api = Program(
        name="neutron-api",
        command=(f"{plan.venv}/bin/uwsgi", "--ini", f"{HOME}/uwsgi.ini"),
        environment={**ours, **environment},
        descriptors=(3,),
        imports=backend.server_imports,
    )
    # The workers mend what grows old: nobody waits for them.
    others = (
        Program(
            name=n,
            command=(f"{plan.venv}/bin/{n}", *config.arguments(HOME, config.of_server())),
            environment=environment,
            late=late,
            imports=backend.server_imports,
        )
        for n, late in (("neutron-rpc-server", False), ("neutron-periodic-workers", True))
    )
    return given.marked((api, *others), plan)


def migrate_command(venv: Path) -> list[str]:
    """The command that makes the schema, to be run in the lab."""
    return [f"{venv}/bin/neutron-db-manage", "--config-file", f"{HOME}/neutron.conf", "upgrade", "heads"]


class Server(Part):
    """It imports for seconds, time that the broker needs, too: only the database must be there before it begins."""

    name = "server"
    program_names = ("neutron-api", "neutron-rpc-server", "neutron-periodic-workers")
    title = "Neutron's server"
    door = "api"
    needs = ("database",)

    def write(self) -> None:
        """See Part."""
        write(self.plan, self.backend, self.plan.directory)

    def programs(self) -> tuple[Program, ...]:
        """See Part."""
        return programs(self.plan, self.backend)

    def recorded(self, ports: Doors) -> dict[str, str]:
        """See Part."""
        endpoint = f"http://127.0.0.1:{ports.api}"
        return {"endpoint": endpoint, "auth": self.plan.auth, "token": self.plan.token}

    def wait(self, run: Run) -> None:
        """See Part."""
        readiness.wait_api(run.record, run.timeout)
        readiness.wait_rpc(run.record, run.timeout)
