"""``POST /servers``: what may be asked for, and what is written down before anything is made."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import uuid
from typing import Any, Literal

import flask
from pydantic import Field, field_validator

from fakevm.compute.model.flavor import FLAVORS
from fakevm.compute.model.server import ServerRecord, now
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.asking import Body, Name
from fakevm.compute.web.faults import Fault, bad
from fakevm.compute.work import networks
from fakevm.compute.work.building import Building
from fakevm.compute.work.networks import NetworkWish
from fakevm.compute.work.noting import note
from fakevm.compute.work.placing import ZONE
from fakevm.control.binding import hostname

# As Nova's default quota of instances at once would be, were there one.
MOST_SERVERS = 100
# Bytes of user data, as Nova takes (in base64).
_USER_DATA = 65_535


class GroupName(Body):
    """A security group that is named."""

    name: str


class ServerBody(Body):
    """What is said of a new server. Much of it is taken and means nothing to a guest."""

    name: Name
    imageRef: str = ""
    flavorRef: str | int
    networks: tuple[NetworkWish, ...] | Literal["auto", "none"] | None = None
    key_name: str | None = None
    user_data: str | None = None
    security_groups: tuple[GroupName, ...] = ()
    availability_zone: str | None = None
    host: str | None = None
    hypervisor_hostname: str | None = None
    min_count: int = Field(default=1, ge=1)
    max_count: int | None = Field(default=None, ge=1)
    return_reservation_id: bool = False
    metadata: dict[str, str] = {}
    adminPass: str | None = None
    accessIPv4: str = ""
    accessIPv6: str = ""
    config_drive: bool | str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    hostname: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9-.]{1,255}$")
    block_device_mapping_v2: tuple[dict[str, Any], ...] = ()
    personality: tuple[dict[str, Any], ...] = ()
    trusted_image_certificates: tuple[str, ...] | None = None
    diskConfig: str | None = Field(default=None, alias="OS-DCF:diskConfig")

    @field_validator("min_count", "max_count", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.isdigit() else value


class Hints(Body):
    """What the scheduler is told; of what it does not know it says nothing, as Nova."""

    model_config = {**Body.model_config, "extra": "ignore"}
    group: str | None = None


class CreateServer(Body):
    """The request."""

    server: ServerBody
    hints: Hints = Field(default=Hints(), alias="os:scheduler_hints")
    old_hints: Hints = Field(default=Hints(), alias="OS-SCH-HNT:scheduler_hints")


def create(shelves: Shelves) -> tuple[dict[str, Any], int]:
    """Write servers down and begin to make them; answers at once, as Nova. Raises Fault."""
    asker = asking.require("servers:create")
    request = asking.body(CreateServer)
    asked = request.server
    count = max(asked.max_count or asked.min_count, 1)
    if asked.max_count is not None and asked.min_count > asked.max_count:
        raise bad("min_count must be <= max_count")
    if count > MOST_SERVERS:
        raise Fault(403, f"Quota exceeded for instances: Requested {count}, but at most {MOST_SERVERS} at once")
    server = _record(shelves, asked, _group(shelves, request.hints.group or request.old_hints.group))
    only = _only(shelves, asked)
    neutron = shelves.reach.neutron_as(asker.token)
    if asked.networks is None and asking.since(37):
        raise bad("Invalid input for field/attribute server. 'networks' is a required property")
    ports = networks.wanted(neutron, asker.project_id, asked.networks, administrator=asker.is_admin)
    if count > 1 and any(port.port or port.fixed_ip for port in ports):
        raise bad("Unable to launch multiple instances with a single configured port ID or fixed IP.")
    groups = networks.security_groups(neutron, asker.project_id, [group.name for group in asked.security_groups])
    kept = tuple(port.port for port in ports if port.port)
    reservation = f"r-{secrets.token_hex(4)}"
    made = []
    for number in range(count):
        suffix = f"-{number + 1}" if count > 1 else ""
        changes = {
            "id": str(uuid.uuid4()),
            "name": server.name + suffix,
            "hostname": hostname(server.hostname + suffix),
            "launch_index": number,
            "reservation_id": reservation,
            "kept_ports": kept,
        }
        made.append(server.model_copy(update=changes))
        shelves.servers.put(made[-1].id, made[-1])
    building = Building(shelves)
    for one in made:
        noted = note(shelves, one, "create", asking.noted())
        shelves.pool.submit(building.build, noted, ports, groups, only)
    if asked.return_reservation_id:
        return {"reservation_id": reservation}, 202
    flask.g.location = f"{asking.root()}/servers/{made[0].id}"
    shown = {
        "id": made[0].id,
        "links": asking.links("servers", made[0].id),
        "OS-DCF:diskConfig": "MANUAL",
        "security_groups": [{"name": group.name} for group in asked.security_groups] or [{"name": "default"}],
        "adminPass": asked.adminPass or secrets.token_urlsafe(9),
    }
    return {"server": shown}, 202


def _record(shelves: Shelves, asked: ServerBody, group: str) -> ServerRecord:
    asker = asking.requester()
    flavor = str(asked.flavorRef).rpartition("/")[2]
    if flavor not in FLAVORS:
        raise bad(f"Flavor {flavor} could not be found.")
    if any(device.get("source_type") != "image" for device in asked.block_device_mapping_v2):
        raise bad("Block Device Mapping is Invalid: a lab has no volumes.")
    image = asked.imageRef or next((str(d.get("uuid")) for d in asked.block_device_mapping_v2), "")
    image = image.rpartition("/")[2]
    if not image:
        raise bad("Invalid imageRef provided.")
    if image not in shelves.reach.images():
        raise bad(f"Image {image} could not be found.")
    keypair = shelves.keypairs.get(f"{asker.user_id}/{asked.key_name}") if asked.key_name else None
    if asked.key_name and keypair is None:
        raise bad("Invalid key_name provided.")
    check_user_data(asked.user_data)
    time = now()
    return ServerRecord(
        id="",
        name=asked.name,
        project_id=asker.project_id,
        user_id=asker.user_id,
        image=image,
        flavor=flavor,
        created=time,
        updated=time,
        hostname=hostname(asked.hostname or asked.name),
        key_name=asked.key_name,
        public_key=keypair.public_key if keypair else "",
        user_data=asked.user_data,
        metadata=asked.metadata,
        tags=asked.tags,
        description=asked.description if asked.description is not None else (None if asking.since(19) else asked.name),
        security_groups=tuple(group.name for group in asked.security_groups) or ("default",),
        config_drive=str(asked.config_drive).lower() in ("true", "1", "yes", "on"),
        access_ipv4=asked.accessIPv4,
        access_ipv6=asked.accessIPv6,
        group=group,
    )


def check_user_data(text: str | None) -> None:
    """Make sure that a server can be told it. Raises Fault."""
    if text is None:
        return
    if len(text) > _USER_DATA:
        raise bad(f"User data too large. User data must be no larger than {_USER_DATA} bytes once base64 encoded.")
    try:
        base64.b64decode(re.sub(r"\s", "", text), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise bad("User data needs to be valid base 64.") from exc


def _group(shelves: Shelves, named: str | None) -> str:
    if not named:
        return ""
    group = shelves.groups.get(named)
    if group is None or not asking.requester().sees(group.project_id):
        raise bad(f"Instance group {named} could not be found.")
    return group.id


def _only(shelves: Shelves, asked: ServerBody) -> str:
    """Give the host that is named, by an administrator; empty: any. Raises Fault."""
    zone, _, host = (asked.availability_zone or "").partition(":")
    if zone not in ("", ZONE):
        raise bad("The requested availability zone is not available")
    host = host.partition(":")[0] or asked.host or asked.hypervisor_hostname or ""
    if host and not asking.requester().is_admin:
        raise Fault(403, "Policy doesn't allow os_compute_api:servers:create:forced_host to be performed.")
    if host and host not in shelves.reach.compute_hosts():
        if asked.host or asked.hypervisor_hostname:
            raise bad(f"Compute host {host} could not be found.")
        raise bad("No valid host was found. The requested host is not there.")
    return host
