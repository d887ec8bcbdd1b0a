"""A lab whose guests are servers of a compute API."""

from __future__ import annotations

_FILE = """\
auth: keystone
compute_api: true
project: demo
backend: {backend}
hosts: {{compute1: {{roles: [{roles}]}}, compute2: {{}}}}
networks:
  private: {{subnets: {{private4: {{cidr: 10.0.0.0/16}}}}}}
"""


def lab_file(backend: str) -> str:
    """Write its file, for ``ovn`` or ``ovs``."""
    roles = "compute, metadata" if backend == "ovn" else "compute, dhcp, metadata"
    return _FILE.format(backend=backend, roles=roles)
