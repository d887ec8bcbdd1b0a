"""All checks together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fakevm.linux.permission import needs_user_namespace

from . import kernel, limits, machines, permissions, programs, resources, tools
from .finding import Finding, Status


def examine(labs: Path) -> list[Finding]:
    """Check every prerequisite; ``labs`` is the folder that labs are kept in."""
    features = kernel.check(user=needs_user_namespace())
    kernel_datapath = any(feature.name == kernel.OPENVSWITCH and feature.status is Status.OK for feature in features)
    return [
        *programs.check(),
        *tools.check(),
        *features,
        *machines.check(),
        *permissions.check(kernel_datapath=kernel_datapath),
        *resources.check(labs),
        *limits.check(),
    ]


def can_run_default_lab(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing that the default lab needs is missing."""
    return not any(finding.required and finding.status is Status.MISSING for finding in findings)
