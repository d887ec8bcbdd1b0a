"""More of something than Neutron lets a project have: with Keystone its quotas hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from fakevm.lab.topology import description
from fakevm.model.labfile import LabFile
from fakevm.model.labfile.network import NETWORK, SUBNET
from fakevm.model.labfile.port import PORT
from fakevm.model.labfile.router import FLOATING_IP, ROUTER
from fakevm.model.labfile.security import GROUP, RULE
from fakevm.model.labfile.sharing import POLICY
from fakevm.model.remark import Remark
from fakevm.model.resource import Kind

_SECTION = "quotas"


class _Quota(NamedTuple):
    """A quota of Neutron's: how many of a kind a project may have by default, how many Neutron makes there by itself,
    and the key of lab files that has most of them."""

    kind: Kind
    option: str
    default: int
    own: int
    key: str


# neutron.conf.quota of 25.2.3 to 29.0.0. Of its own a project has the group "default" with four rules.
_QUOTAS = (
    _Quota(NETWORK, "quota_network", 100, 0, "networks"),
    _Quota(SUBNET, "quota_subnet", 100, 0, "networks"),
    _Quota(PORT, "quota_port", 500, 0, "guests"),
    _Quota(ROUTER, "quota_router", 10, 0, "routers"),
    _Quota(FLOATING_IP, "quota_floatingip", 50, 0, "floating_ips"),
    _Quota(GROUP, "quota_security_group", 10, 1, "security_groups"),
    _Quota(RULE, "quota_security_group_rule", 100, 4, "security_groups"),
    _Quota(POLICY, "quota_rbac_policy", 10, 0, "networks"),
)


def wrong(lab: LabFile) -> Iterator[Remark]:
    """Find it, so that it is told before anything is made. What agents make for themselves is not counted."""
    if lab.auth != "keystone" or not lab.neutron:
        return
    made = Counter(resource.ref.kind for resource in description.resources(lab))
    for quota in _QUOTAS:
        of_file = made[quota.kind.name]
        needed, limit = of_file + quota.own, _limit(lab, quota)
        if of_file and 0 <= limit < needed:
            own = f" ({quota.own} of them Neutron's own)" if quota.own else ""
            has = f"the project {lab.project!r} would have {needed} {quota.kind.plural}{own}"
            yield Remark(
                f"{has}, and Neutron lets it have {limit}",
                (quota.key,),
                f"Say 'config: {{server: {{{_SECTION}: {{{quota.option}: {needed}}}}}}}', or more; -1 is no limit.",
            )


def _limit(lab: LabFile, quota: _Quota) -> int:
    """Give how many a project may have; negative: any number. What is no number is told where options are checked."""
    given = {
        option: value
        for section, options in lab.config.get("server", {}).items()
        for option, value in options.items()
        if section.lower() == _SECTION
    }
    try:
        return int(given.get(quota.option, quota.default))
    except (TypeError, ValueError):
        return -1
