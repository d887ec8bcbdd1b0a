"""The words of a lab file: names, addresses, numbers with units."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)

from fakevm.model.impairment import LONGEST_DELAY
from fakevm.model.value import Value
from fakevm.names import DEVICE_NAME_LENGTH

# Host names are part of namespace and device names, and a lab's name is its folder's.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
# What Neutron knows by this name; a guest's is its host name, too.
ResourceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,62}$")]
# The name of what only the file knows: a check, a key.
Label = Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$", max_length=200)]
# Commas and spaces stand between several.
Zone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
FORMS = {
    r"^[a-z_][a-z0-9_-]{0,31}$": "a user is a small letter or '_', then up to 31 small letters, digits, '_' or '-'",
    r"^/\S*$": "a path below /v2.0 begins with '/', and has no spaces: /networks?name=private",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$": "a zone is a letter or digit, then up to 62 letters, digits, '.', '_' or '-'",
    r"^[a-z][a-z0-9-]{0,30}$": "a name is a small letter, then up to 30 small letters, digits or '-' (a-z, 0-9)",
    r"^\S(.*\S)?$": "a name is a line of text that neither begins nor ends with a space",
    r"^[A-Za-z][A-Za-z0-9._-]{0,62}$": "a name is a letter, then up to 62 letters, digits, '.', '_' or '-'",
    r"^[^\n\x00]*$": "it is one line of text",
    r"^[\x21-\x7e]*$": "it is a word that can be typed: letters, digits and signs of ASCII, no spaces",
}
"""In words what each pattern asks for."""
# ETH_MIN_MTU, ETH_MAX_MTU.
Mtu = Annotated[int, Field(ge=68, le=65535)]
VlanId = Annotated[int, Field(ge=1, le=4094)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]

_MOST_PORTS = 65535
# neutron_lib.api.validators.dns: a label of a name; a name with a label before its domain has 255 characters at most.
_DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_LONGEST_DOMAIN = 255 - 64
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0}
_FIGURES = r"([0-9]{1,18}(?:\.[0-9]*)?|\.[0-9]+)\s*"
_PACKETS = {"": 1.0, "k": 1.0, "kpps": 1.0, "pps": 0.001}
_KILOBITS = {"": 1.0, "k": 1.0, "m": 1000.0, "g": 1000000.0}


class WordValue(Value):
    """A value that may be written as one word: then that is its field ``word_field``."""

    word_field: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, given: Any) -> Any:
        return {cls.word_field: given} if isinstance(given, str | int) else given

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        own = dict(schema)
        return {"title": own.pop("title", cls.__name__), "anyOf": [{"type": "string"}, own]}


# -- devices ----------------------------------------------------------------------------------------------------


def device_name(text: str) -> str:
    """Refuse what cannot be the name of a guest's device. Raises ValueError.

    The kernel takes 15 bytes, and neither spaces nor ``/`` and ``:`` (dev_valid_name); ``all`` and ``default`` have
    another meaning in /proc/sys/net (sysctl_dev_name_is_allowed); iproute2 takes what begins with ``-`` for an option.
    """
    if len(text.encode()) > DEVICE_NAME_LENGTH:
        raise ValueError(f"{text!r} is longer than {DEVICE_NAME_LENGTH} bytes, the longest name that a device can have")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", text):
        raise ValueError(f"{text!r} is no device's name: that is letters, digits, '.', '_' and '-', such as eth1")
    if text in _NO_DEVICES:
        raise ValueError(f"a device cannot be called {text!r}: {_NO_DEVICES[text]}")
    return text


_NO_DEVICES = {
    "lo": "every guest has one of that name",
    "all": "to the kernel this means all devices",
    "default": "to the kernel this means devices to come",
}
# The name of a device in a guest.
DeviceName = Annotated[str, AfterValidator(device_name)]


# -- addresses -------------------------------------------------------------------------------------------------


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as exc:
        if "host bits" in str(exc):
            raise ValueError(f"{text} has host bits set; did you mean {ipaddress.ip_network(text, False)}?") from exc
        raise


def pair_address(text: str) -> str:
    """Refuse what is neither an address nor a network. Raises ValueError."""
    ipaddress.ip_interface(text)
    return text


def _interface(text: str) -> str:
    try:
        if "/" in text:
            return str(ipaddress.ip_interface(text))
    except ValueError:
        pass
    raise ValueError(f"expected an address with the length of its prefix, such as 10.9.0.1/24, not {text!r}")


def _mac(text: str) -> str:
    if not re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", text):
        raise ValueError("expected a MAC address such as fa:16:3e:00:00:01")
    return text.lower()


def _socket_address(text: str) -> str:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?", text)
    if text and (not match or int(match[2] or 0) > _MOST_PORTS):
        raise ValueError("expected an address with a port, HOST:PORT, such as 127.0.0.1:7001 or [::1]:7001")
    return text


def _dns_name(text: str) -> str:
    if not re.fullmatch(_DNS_LABEL, text.lower()):
        raise ValueError("expected a name of up to 63 letters, digits or '-', such as web")
    return text.lower()


def _dns_domain(text: str) -> str:
    """Say it as Neutron wants it: with a dot at its end."""
    labels = text.lower().removesuffix(".").split(".")
    fits = all(re.fullmatch(_DNS_LABEL, label) for label in labels) and len(text) < _LONGEST_DOMAIN
    if not fits or labels[-1].isdecimal():
        raise ValueError("expected a domain such as lab.example.")
    return ".".join(labels) + "."


Address = Annotated[str, AfterValidator(_address)]
# Where a socket is; some need no port.
SocketAddress = Annotated[str, AfterValidator(_socket_address)]
Cidr = Annotated[str, AfterValidator(_cidr)]
# An interface's own address, with the length of its network's prefix.
AddressWithPrefix = Annotated[str, AfterValidator(_interface)]
MacAddress = Annotated[str, AfterValidator(_mac)]
# Neutron keeps names in small letters (neutron_lib.api.definitions.dns).
DnsName = Annotated[str, AfterValidator(_dns_name)]
DnsDomain = Annotated[str, AfterValidator(_dns_domain)]


# -- numbers with units ----------------------------------------------------------------------------------------


def _number(given: Any, units: dict[str, float], pattern: str, example: str) -> Any:
    if isinstance(given, bool) or not isinstance(given, str):
        return given
    match = re.fullmatch(pattern, given.strip(), re.IGNORECASE)
    if not match:
        raise ValueError(f"expected {example}")
    return float(match[1]) * units[(match[2] or "").lower()]


def _seconds(given: Any) -> Any:
    return _number(given, _SECONDS, _FIGURES + r"(ms|s|min|m)?", "a duration such as 10s, 500ms or 2m")


def _kilobits(given: Any) -> Any:
    return _number(given, _KILOBITS, _FIGURES + r"([kMG]?)(?:bit(?:/s)?|bps)?", "a rate such as 10 Mbit/s")


def _packets(given: Any) -> Any:
    """Neutron counts thousands, and no less."""
    found = _number(given, _PACKETS, _FIGURES + r"(k?pps|k)?", "thousands of packets a second, such as 2 kpps")
    if isinstance(found, float) and not found.is_integer():
        raise ValueError("expected whole thousands of packets a second, such as 2 kpps")
    return int(found) if isinstance(found, float) else found


def _percent(given: Any) -> Any:
    return _number(given, {"": 1.0}, _FIGURES + r"()%?", "a percentage such as 5 %")


# A week at most: the clocks of threads and of poll(2) count not much further. Neutron keeps rates in 31 bits.
Duration = Annotated[float, Field(ge=0, le=604800), BeforeValidator(_seconds, json_schema_input_type=str | float)]
# Frames that wait are waited for before a delay is taken away.
Delay = Annotated[float, Field(ge=0, le=LONGEST_DELAY), BeforeValidator(_seconds, json_schema_input_type=str | float)]
Rate = Annotated[float, Field(gt=0, le=2**31 - 1), BeforeValidator(_kilobits, json_schema_input_type=str | float)]
PacketRate = Annotated[int, Field(gt=0, le=2**31 - 1), BeforeValidator(_packets, json_schema_input_type=str | int)]
Percent = Annotated[float, Field(ge=0, le=100), BeforeValidator(_percent, json_schema_input_type=str | float)]


def require_unique(values: tuple[str, ...], what: str) -> None:
    """Raise ValueError when a value comes twice."""
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{what} {', '.join(map(repr, twice))} is there more than once")


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """Give a model's fields by the names under which a file knows them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}
