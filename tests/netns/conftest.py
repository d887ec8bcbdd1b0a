"""Each test in this folder runs in a sandbox: network, mount, PID, UTS namespaces, /run and /etc of its own.

Outside, a test is one child process: ``unshare … python -m pytest THAT_TEST``. Inside, it may do as it likes,
and fails if it leaves something. As an ordinary user the sandbox is a user namespace as well.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakevm.model.port import Binding, FixedIp, Port

_INSIDE = "FAKEVM_TEST_SANDBOX"
_TIMEOUT = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.netns)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    # pytest asks every conftest about every test: only those of this folder are ours.
    if os.environ.get(_INSIDE) or Path(__file__).parent not in item.path.parents:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    began = time.time()
    status, said = _run_in_sandbox(item)
    outcome = {0: "passed", 1: "failed"}.get(status, "failed")
    if outcome == "passed" and " skipped" in said.splitlines()[-1]:
        outcome = "skipped"
    longrepr = None if outcome == "passed" else said
    if outcome == "skipped":
        longrepr = (str(item.path), item.location[1] or 0, "skipped in the sandbox")  # type: ignore[assignment]
    report = pytest.TestReport(
        item.nodeid,
        item.location,
        dict.fromkeys(item.keywords, 1),
        outcome,  # type: ignore[arg-type]
        longrepr,
        "call",
        start=began,
        stop=time.time(),
        duration=time.time() - began,
    )
    item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _run_in_sandbox(item: pytest.Item) -> tuple[int, str]:
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    # the shell is the sandbox's PID 1, and takes orphans that end (daemons that were stopped)
    sandbox = [
        "unshare",
        *as_root,
        "-mnpuf",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-c",
        '"$@"; exit $?',
        "sh",
    ]
    # Whether it is too slow was asked outside.
    plugins = ("cacheprovider", "xdist", "fakevm.testing.fixtures", "fakevm.testing.plugin")
    without = [word for plugin in plugins for word in ("-p", f"no:{plugin}")]
    inner = [sys.executable, "-m", "pytest", "-q", *without, "--slow", item.nodeid]
    environment = {**os.environ, _INSIDE: "1"}
    try:
        done = subprocess.run(
            [*sandbox, *inner], cwd=item.config.rootpath, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as exc:
        return 1, f"not done after {_TIMEOUT} s:\n{exc.stdout!r}"
    return done.returncode, done.stdout


def shell(command: str, *, check: bool = True) -> str:
    """Run a shell command in the sandbox and return what it said."""
    done = subprocess.run(["sh", "-c", command], text=True, capture_output=True, check=False)
    assert not check or done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


def left_overs() -> dict[str, list[str]]:
    """Everything a test may leave in its sandbox."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    files = [str(path) for top in ("/run/netns", "/etc/netns", "/run/fakevm-guests") for path in Path(top).rglob("*")]
    pids = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    processes = [shell(f"cat /proc/{pid}/comm", check=False).strip() for pid in pids]
    return {
        "links": shell("ip -o link | cut -d: -f2 | cut -d@ -f1").split(),
        "mounts": sorted(mount for mount in mounts if mount != "/run/netns"),
        "files": sorted(files),
        "processes": sorted(name for name in processes if name not in {"", "sh", "cat"}),
    }


@pytest.fixture(autouse=True)
def sandbox() -> Iterator[None]:
    """Give the sandbox a /run, /etc, /sys and loopback of its own; afterwards nothing may be left."""
    shell(
        "mount -t tmpfs tmpfs /run && mkdir /run/etc && { cp -a /etc/. /run/etc 2>/dev/null; true; }"
        " && mount --bind /run/etc /etc"
        " && mount -t sysfs sysfs /sys && ip link set lo up && hostname sandbox"
    )
    before = left_overs()
    yield
    deadline = time.monotonic() + 20
    while (after := left_overs()) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert after == before


VSWITCHD = ["ovs-vswitchd", "unix:/run/openvswitch/db.sock", "-vconsole:off"]


@pytest.fixture
def switch_daemons() -> list[subprocess.Popen[bytes]]:
    """Give the processes of ``switch``, of which ovs-vswitchd is the last."""
    return []


@pytest.fixture
def switch(switch_daemons: list[subprocess.Popen[bytes]]) -> Iterator[str]:
    """Run a private Open vSwitch (userspace datapath) with a br-int; its value is the bridge's name."""
    shell(
        "mkdir -p /run/openvswitch && cd /run/openvswitch"
        " && ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema"
    )
    daemons = switch_daemons
    daemons.append(
        subprocess.Popen(
            [
                "ovsdb-server",
                "/run/openvswitch/conf.db",
                "--remote=punix:/run/openvswitch/db.sock",
                "-vconsole:off",
            ]
        )
    )
    until(Path("/run/openvswitch/db.sock").exists)
    shell("ovs-vsctl --no-wait init")
    daemons.append(subprocess.Popen(VSWITCHD))
    shell("ovs-vsctl add-br br-int -- set bridge br-int datapath_type=netdev")
    yield "br-int"
    shell("ovs-vsctl --timeout=30 --if-exists del-br br-int", check=False)
    for daemon in reversed(daemons):
        daemon.terminate()
        daemon.wait(30)
    until(lambda: "ovs-netdev" not in shell("ip -o link"))


def until(condition: Callable[[], object], timeout: float = 30) -> None:
    """Wait for it: how long anything takes depends on the machine."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


_DNSMASQ = """\
no-resolv
no-hosts
port=0
user=
group=
interface=eth0
dhcp-range=10.0.0.0,static,255.255.255.0,3600s
dhcp-hostsfile=/run/dhcp-hosts
dhcp-leasefile=/run/dhcp-leases
dhcp-option=option:mtu,1400
dhcp-option=option:dns-server,10.0.0.2
dhcp-option=option:domain-name,example.org
dhcp-option=option:classless-static-route,10.9.0.0/16,10.0.0.9,169.254.169.254/32,10.0.0.2,0.0.0.0/0,10.0.0.1
log-facility=/run/dnsmasq.log
"""


@pytest.fixture
def dhcp_server(switch: str) -> Iterator[str]:
    """Run a real dnsmasq on 10.0.0.2, in a namespace wired to the switch; it knows only make_port's ports."""
    shell(
        "ip netns add dhcp && ip link add dhcp0 type veth peer name eth0 netns dhcp && ip link set dhcp0 up"
        " && ip -n dhcp link set lo up && ip -n dhcp link set eth0 up && ip -n dhcp addr add 10.0.0.2/24 dev eth0"
        f" && ip netns exec dhcp ethtool -K eth0 tx off && ovs-vsctl add-port {switch} dhcp0"
    )
    ports = [describe_port(number) for number in range(3, 100)]
    hosts = "".join(f"{port.mac_address},{port.fixed_ips[0].address}\n" for port in ports)
    Path("/run/dhcp-hosts").write_text(hosts)
    Path("/run/dnsmasq.conf").write_text(_DNSMASQ)
    server = subprocess.Popen(
        ["ip", "netns", "exec", "dhcp", "dnsmasq", "--keep-in-foreground", "--conf-file=/run/dnsmasq.conf"]
    )
    log = Path("/run/dnsmasq.log")
    until(lambda: log.exists() and "DHCP" in log.read_text())
    yield "10.0.0.2"
    server.terminate()
    server.wait(30)
    shell(f"ovs-vsctl --if-exists del-port {switch} dhcp0; ip netns del dhcp")
    shell("ip link del dhcp0", check=False)


def describe_port(number: int = 3, *, hybrid: bool = False, **changes: object) -> Port:
    """Describe a port as Neutron's ML2/OVS binds it on host ``h1``, with address 10.0.0.NUMBER."""
    details = {
        "port_filter": True,
        "ovs_hybrid_plug": hybrid,
        "ovs_create_tap": not hybrid,
        "datapath_type": "netdev",
        "bridge_name": "br-int",
        "connectivity": "l2",
    }
    fixed = FixedIp(
        address=f"10.0.0.{number}", prefix_length=24, subnet_id="5b0ae1b4-0e1d-4f2c-9d3a-7d1f3a2b4c5d",
        gateway="10.0.0.1", dns_servers=("10.0.0.2",),
    )  # fmt: skip
    values: dict[str, object] = {
        "id": f"{number:08x}-90ab-4cde-8f01-234567890abc",
        "mac_address": f"fa:16:3e:00:00:{number:02x}",
        "mtu": 1400,
        "network_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "network_name": "private",
        "instance_id": f"i-{number}",
        "hostname": f"host-10-0-0-{number}",
        "fixed_ips": (fixed,),
        "binding": Binding(host="h1", vif_type="ovs", vif_details=details),
    }
    return Port(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def sh() -> Callable[..., str]:
    """Run a shell command in the sandbox."""
    return shell


@pytest.fixture
def make_port() -> Callable[..., Port]:
    """Describe a port as Neutron does."""
    return describe_port
