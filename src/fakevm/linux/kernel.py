"""What the kernel can do: tried, in a network namespace that ends with the attempt."""

from __future__ import annotations

import os

# An ordinary user's PATH often lacks the sbin folders; the lab's own does not.
SEARCH_PATH = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"]
)
PAIR = "ip link add fakevm0 type veth peer name fakevm1"
VLAN_DEVICES = f"{PAIR} && ip link add link fakevm0 name fakevm0.2 type vlan id 2"
NETEM = f"{PAIR} && tc qdisc add dev fakevm0 root netem delay 1ms"
# As Neutron's L3 agents limit floating IPs (29.0.0, neutron/agent/linux/l3_tc_lib.py).
POLICE = (
    f"{PAIR} && tc qdisc add dev fakevm0 ingress && tc filter add dev fakevm0 parent ffff: protocol ip prio 1 u32"
    " match ip dst 192.0.2.1 police rate 1000kbit burst 100kbit mtu 64kb drop flowid :1"
)
# What passes a Linux bridge is shown to iptables. Nothing loads the module by itself, and only root can.
BRIDGE_FILTER = (
    "cd /proc/sys/net; [ -e bridge/bridge-nf-call-iptables ] || modprobe -q br_netfilter;"
    " [ -e bridge/bridge-nf-call-iptables ] || { echo there is no $PWD/bridge; exit 1; }"
)

_PATIENCE = 10.0


def missing(attempt: str, *, user: bool) -> str:
    """Try shell words in a new network namespace; say why they fail, or nothing. ``user``: in a user namespace, too."""
    # Imported here alone: ``fakevm exec`` wants the search path, and nothing else.
    import subprocess

    unshare = ["unshare", *(["--user", "--map-root-user"] if user else []), "--net", "--"]
    try:
        done = subprocess.run(
            [*unshare, "sh", "-c", attempt], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=_PATIENCE, check=False, env={"PATH": SEARCH_PATH, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError:
        return "unshare is missing"
    except subprocess.TimeoutExpired:
        return f"no answer in {_PATIENCE:.0f} s"
    if done.returncode == 0:
        return ""
    said = (done.stderr + done.stdout).strip().splitlines()
    return said[-1] if said else f"exit status {done.returncode}"
