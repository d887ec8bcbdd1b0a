"""What the routers' counters of a metering label say."""

from __future__ import annotations

import re

from fakevm.model.check import Observed, Verdict

#: lists the counters of all routers on a host
LIST = (
    'for name in $(ip netns list | grep -oE "^(qrouter|snat)-[^ ]+"); do'
    ' ip netns exec "$name" iptables-save -c -t filter; done'
)
# A label's chain has the beginning of its id in its name (IptablesMeteringDriver, 29.0.0): [PACKETS:BYTES] -A CHAIN
_RULE = r"^\[(\d+):\d+\] -A neutron-meter-l-{label}$"
_IN_ITS_NAME = 11


def counted(text: str, label: str) -> int:
    """Sum the packets that were counted for a label, by its id, in what LIST gives."""
    rule = re.compile(_RULE.format(label=re.escape(label[:_IN_ITS_NAME]) + r"\S*"), re.MULTILINE)
    return sum(int(match[1]) for match in rule.finditer(text))


def read(label: str, sent: int, before: int, after: int) -> Observed:
    """Judge what was counted of so many packets; an agent that reads its counters sets them back."""
    more = after - before if after >= before else after
    verdict: Verdict = "passes" if more >= sent else "unclear" if more else "blocked"
    return Observed(verdict=verdict, words=f"{label} counted {more} packets of {sent} that were sent")
