"""Resolves a name; a program of its own, run in a guest, with dnspython.

``resolver.py NAME PATIENCE [SERVER]`` says ``{"answers": [...], "error": ...}``; without SERVER it asks those of the
guest's /etc/resolv.conf, as DHCP wrote it. PATIENCE is in seconds.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import dns.exception
import dns.resolver


def resolve(name: str, patience: str, server: str = "") -> dict[str, Any]:
    """Ask for IPv4 and IPv6 addresses."""
    try:
        resolver = dns.resolver.Resolver(configure=not server)
    except dns.resolver.NoResolverConfiguration:
        return {"answers": [], "error": "there is no name server in /etc/resolv.conf"}
    if server:
        resolver.nameservers = [server]
    answers, problem = [], ""
    for kind in ("A", "AAAA"):
        try:
            answers += [record.to_text() for record in resolver.resolve(name, kind, lifetime=float(patience))]
        except dns.resolver.NoAnswer:
            continue
        except dns.resolver.NXDOMAIN:
            return {"answers": [], "error": "no such name"}
        except dns.exception.Timeout:
            problem = "timed out"
            break
        except dns.exception.DNSException as exc:
            problem = str(exc)
            break
    return {"answers": answers, "error": problem or ("" if answers else "the name has no address")}


if __name__ == "__main__":
    print(json.dumps(resolve(*sys.argv[1:])))
