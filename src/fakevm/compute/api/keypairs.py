"""``/os-keypairs``."""

from __future__ import annotations

import base64
import hashlib
import itertools
from typing import Any

import flask
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import Field

from fakevm.compute.model.keypair import Keypair
from fakevm.compute.model.server import now
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import asking
from fakevm.compute.web.asking import Body
from fakevm.compute.web.faults import Fault, bad, conflict, not_found


class KeypairBody(Body):
    """What is said of a new one."""

    # Without a slash, else no path would lead to it.
    name: str = Field(pattern="^[a-zA-Z0-9 ._@-]{1,255}$")
    public_key: str | None = None
    type: str = "ssh"
    user_id: str | None = None


class CreateKeypair(Body):
    """The request."""

    keypair: KeypairBody


def make(shelves: Shelves) -> flask.Blueprint:
    """Make the requests."""
    api = flask.Blueprint("keypairs", __name__, url_prefix="/compute/v2.1")

    @api.get("/os-keypairs")
    def listed() -> dict[str, Any]:
        user = _user(flask.request.args.get("user_id") if asking.since(10) else None)
        own = [keypair for keypair in shelves.keypairs.all() if keypair.user_id == user]
        found = sorted(own, key=lambda keypair: keypair.name)
        if asking.since(35):
            found = _page(found)
        return {"keypairs": [{"keypair": _brief(keypair)} for keypair in found]}

    @api.post("/os-keypairs")
    def create() -> tuple[dict[str, Any], int]:
        asked = asking.body(CreateKeypair).keypair
        user = _user(asked.user_id)
        if asked.type != "ssh":
            raise Fault(501, "FakeVM's compute API has keypairs of the type ssh only.")
        if shelves.keypairs.get(f"{user}/{asked.name}"):
            raise conflict(f"Key pair '{asked.name}' already exists.")
        if not asked.public_key and asking.since(92):
            raise bad("Invalid input for field/attribute keypair. 'public_key' is a required property")
        private, public = ("", asked.public_key) if asked.public_key else _generated()
        keypair = Keypair(
            name=asked.name,
            user_id=user,
            public_key=public,
            fingerprint=_fingerprint(public),
            created=now(),
            number=max(itertools.chain([0], (known.number for known in shelves.keypairs.all()))) + 1,
        )
        shelves.keypairs.put(keypair.id, keypair)
        told = {**_brief(keypair), "user_id": user, **({"private_key": private} if private else {})}
        return {"keypair": told}, 201 if asking.since(2) else 200

    @api.get("/os-keypairs/<name>")
    def show(name: str) -> dict[str, Any]:
        keypair = find(shelves, _user(flask.request.args.get("user_id")), name)
        return {
            "keypair": {
                **_brief(keypair),
                "user_id": keypair.user_id,
                "id": keypair.number,
                "created_at": keypair.created.removesuffix("Z") + ".000000",
                "updated_at": None,
                "deleted_at": None,
                "deleted": False,
            }
        }

    @api.delete("/os-keypairs/<name>")
    def delete(name: str) -> tuple[str, int]:
        keypair = find(shelves, _user(flask.request.args.get("user_id")), name)
        shelves.keypairs.delete(keypair.id)
        return "", 204 if asking.since(2) else 202

    return api


def find(shelves: Shelves, user: str, name: str) -> Keypair:
    """Find a user's keypair. Raises Fault."""
    found = shelves.keypairs.get(f"{user}/{name}")
    if found is None:
        raise not_found(f"Keypair {name} not found for user {user}")
    return found


def _user(named: str | None) -> str:
    asked = asking.requester()
    if named and named != asked.user_id and not asked.is_admin:
        raise Fault(403, "Policy doesn't allow os_compute_api:os-keypairs to be performed.")
    return named or asked.user_id


def _page(found: list[Keypair]) -> list[Keypair]:
    if marker := flask.request.args.get("marker"):
        names = [keypair.name for keypair in found]
        if marker not in names:
            raise bad(f"marker [{marker}] not found")
        found = found[names.index(marker) + 1 :]
    return found[: asking.whole("limit", len(found))]


def _brief(keypair: Keypair) -> dict[str, Any]:
    kind = {"type": keypair.type} if asking.since(2) else {}
    return {
        "name": keypair.name,
        "public_key": keypair.public_key,
        "fingerprint": keypair.fingerprint,
        **kind,
    }


def _generated() -> tuple[str, str]:
    """Make a key, as Nova does before 2.92: the private half is shown once, and not kept."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return private, f"{public} Generated-by-Nova"


def _fingerprint(public_key: str) -> str:
    """Give MD5 of the key's data, as Nova does. Raises Fault."""
    try:
        data = base64.b64decode(public_key.split()[1], validate=True)
    except (IndexError, ValueError) as exc:
        raise bad("Keypair data is invalid: failed to generate fingerprint") from exc
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
