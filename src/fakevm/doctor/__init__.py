"""What this machine has of what FakeVM needs, and what each missing thing switches off.

Every check really tries, in a namespace that ends with the check. The one trace it may leave is that the
kernel has loaded a module of its own.
"""

from __future__ import annotations

from .examination import can_run_default_lab, examine
from .finding import Finding, Status

__all__ = ["Finding", "Status", "can_run_default_lab", "examine"]
