"""Where the packets between two guests were last seen, for a test that says they do not come through."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .conftest import Lab

# What the switches and guests have in mind, to be kept beside the logs.
ON_A_HOST = """\
ovs-vsctl show
ovs-ofctl dump-flows br-int
ovs-ofctl dump-flows br-tun
ovs-appctl fdb/show br-int
ovs-appctl dpctl/dump-flows -m
ovs-appctl dpctl/dump-conntrack
ip -br link
"""
IN_A_GUEST = "ip address; ip route; ip neigh; tc qdisc; cat /sys/class/net/*/address"
IN_SHORT = """\
ovs-vsctl --columns=name,tag,other_config list port tap{0}
ovs-vsctl --columns=ofport,link_state,error list interface tap{0}
ovs-ofctl dump-flows br-int --no-stats | grep -i {1}
"""
SNIFF = ("tcpdump", "-i", "any", "-n", "-e", "-l", "--immediate-mode", "arp or icmp")
# Seconds until all of them listen, and for answers that come late.
BEGINNING, LATE = 2, 4


def account(lab: Lab, observer: dict[str, Any], vif: dict[str, Any]) -> str:
    """Ping the guest from the observer and tell who saw what; flows and tables are left beside the hosts' logs."""
    address = vif["addresses"][0].partition("/")[0]
    hosts = [host.name for host in lab.record.hosts]
    places = {host: ("lab", "exec", host) for host in hosts}
    places |= {one["vif_id"]: ("exec", one["vif_id"]) for one in (observer, vif)}
    sniffers = {
        place: lab.labs.begin("--lab", lab.record.name, *words, "--", *SNIFF) for place, words in places.items()
    }
    time.sleep(BEGINNING)
    lab.fakevm("exec", observer["vif_id"], "--", "ping", "-c5", "-i0.3", "-W1", address)
    time.sleep(LATE)
    said = {place: _ended(sniffer) for place, sniffer in sniffers.items()}
    for place, lines in said.items():
        folder = lab.record.host_directory(place if place in hosts else observer["host"])
        (folder / f"log/seen-{place}.log").write_text(lines + _known(lab, *places[place]))
    facts = [_known(lab, *places[vif["vif_id"]], script="ip -br address; tc qdisc; ip neigh")]
    facts.append(_known(lab, *places[observer["vif_id"]], script=f"ip -br address; ip neigh show {address}"))
    host = lab.told("show", vif["vif_id"])["host"]
    facts.append(_known(lab, *places[host], script=IN_SHORT.format(vif["vif_id"][:11], vif["mac_address"])))
    counts = {place: (lines.count("echo request"), lines.count("echo reply")) for place, lines in said.items()}
    seen = "; ".join(f"{place}: {asked} requests, {answers} replies" for place, (asked, answers) in counts.items())
    return f"{address} does not answer five pings; {seen}. Flows and frames: seen-*.log\n{''.join(facts)}"


def _ended(sniffer: subprocess.Popen[str]) -> str:
    sniffer.terminate()
    return sniffer.communicate(timeout=60)[0]


def _known(lab: Lab, *words: str, script: str = "") -> str:
    script = script or (IN_A_GUEST if words[0] == "exec" else ON_A_HOST)
    return lab.fakevm(*words, "--", "sh", "-xc", f"exec 2>&1; {script}").stdout
