"""Services of Neutron's, beside those that every lab has: what is loaded where for them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from .config import Config
from .host import Role
from .release import Package
from .word import Label, WordValue


def _provider(line: str) -> str:
    """Refuse what Neutron's server would end at (neutron.services.provider_configuration, 29.0.0)."""
    words = line.split(":")
    if len(words) < 3 or not all(words[:3]) or words[3:] not in ([], [""], ["default"]):
        raise ValueError("a provider is KIND:NAME:CLASS, or KIND:NAME:CLASS:default")
    return line


class ServiceFile(WordValue):
    """A service. As one word: one that FakeVM knows; else all that it consists of is said."""

    word_field: ClassVar[str] = "name"

    name: Label = Field(description="Its name.")
    service_plugins: tuple[str, ...] = Field(default=(), description="Service plugins of Neutron's server.")
    mechanism_drivers: tuple[str, ...] = Field(default=(), description="Mechanism drivers of ML2, after the backend's.")
    extension_drivers: tuple[str, ...] = Field(default=(), description="Extension drivers of ML2.")
    l2_extensions: tuple[str, ...] = Field(default=(), description="Extensions of the L2 agents.")
    l3_extensions: tuple[str, ...] = Field(default=(), description="Extensions of the L3 agents.")
    agents: dict[str, Role | tuple[Role, ...]] = Field(
        default={},
        description="Agents that report to Neutron, by their programs, each with the role, or roles, of hosts that run "
        "it: `{neutron-mine-agent: compute}`.",
    )
    providers: tuple[Annotated[str, AfterValidator(_provider)], ...] = Field(
        default=(), description="Lines of `[service_providers] service_provider`: `KIND:NAME:CLASS:default`."
    )
    packages: tuple[Package, ...] = Field(default=(), description="Packages that it needs, as `packages` of the lab.")
    config: Config = Field(default={}, description="Options that it needs, as `config` of the lab, which wins.")

    def roles(self, agent: str) -> tuple[str, ...]:
        """Give the roles of the hosts that run one of its agents."""
        given = self.agents[agent]
        return (given,) if isinstance(given, str) else given

    @property
    def is_name(self) -> bool:
        """Whether no more is said than its name; a lab's file as it is kept says all defaults, too."""
        return self == type(self)(name=self.name)


def _several(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


# One may stand alone.
Services = Annotated[
    tuple[ServiceFile, ...], BeforeValidator(_several, json_schema_input_type=str | tuple[ServiceFile, ...])
]
