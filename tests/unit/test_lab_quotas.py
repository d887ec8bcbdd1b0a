"""With Keystone Neutron's quotas hold: what a file has too many of is told before anything is made."""

from __future__ import annotations

import pytest

from fakevm.lab import reading
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle.settling import settle

ROUTERS = ", ".join(f"r{number}: {{}}" for number in range(11))
# With Neutron's own group it is one too many.
GROUPS = ", ".join(f"g{number}: {{}}" for number in range(10))
RULES = ", ".join(f"{{protocol: tcp, ports: {port}}}" for port in range(1, 96))
SAID = "config: {server: {quotas: %s}}"


def look(text: str, *, auth: str = "keystone", runs: bool = False) -> None:
    text = f"auth: {auth}\nhosts: {{one: {{roles: [compute, dhcp, l3]}}}}\n{text}"
    settle(reading.parse(text, "lab.yaml"), kernel_datapath=False, runs=runs)


@pytest.mark.parametrize(
    ("text", "words", "option"),
    [
        (f"routers: {{{ROUTERS}}}", "would have 11 routers, and Neutron lets it have 10", "quota_router: 11"),
        (f"security_groups: {{{GROUPS}}}", "11 security groups .1 of them Neutron's", "quota_security_group: 11"),
        # Two of its own let everything out.
        (f"security_groups: {{g: {{rules: [{RULES}]}}}}", "101 .*rules", "quota_security_group_rule: 101"),
    ],
)  # fmt: skip
def test_too_many_are_refused_with_the_option_to_say(text: str, words: str, option: str) -> None:
    with pytest.raises(InvalidFile, match=words) as refused:
        look(text)
    assert option in str(refused.value) and str(refused.value).count("quotas") == 1
    look(f"{text}\n" + SAID % f"{{{option}}}")


def test_as_many_as_there_may_be_are_let_pass() -> None:
    look(f"routers: {{{ROUTERS.rpartition(',')[0]}}}")
    look(f"routers: {{{ROUTERS}}}\n" + SAID % "{quota_router: -1}")


def test_a_smaller_quota_holds_too() -> None:
    with pytest.raises(InvalidFile, match="lets it have 1"):
        look("routers: {a: {}, b: {}}\n" + SAID % "{quota_router: 1}")


def test_labs_without_keystone_have_no_quotas_and_those_that_run_may_have_others() -> None:
    look(f"routers: {{{ROUTERS}}}", auth="token")
    look(f"routers: {{{ROUTERS}}}", runs=True)
