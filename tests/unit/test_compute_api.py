"""The compute API: what it answers, in every microversion as Nova, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fakevm.compute.api import BLUEPRINTS
from fakevm.compute.model.image import images
from fakevm.compute.model.server import ServerRecord, now
from fakevm.compute.shelves import Shelves
from fakevm.compute.web import application
from fakevm.compute.work import placing, starting
from fakevm.compute.work.ending import Ending
from fakevm.errors import NotFound
from fakevm.lab import compute_api, reading
from fakevm.lab.problem import InvalidFile
from fakevm.lab.settle.settling import settle
from fakevm.model.lab import HostRecord, LabRecord
from fakevm.model.labfile import LabFile

COMPUTE, IMAGE = "/compute/v2.1", "/image/v2"
PROJECT, OTHERS, USER = "a" * 32, "b" * 32, "c" * 32
NETWORK = "11111111-2222-4333-8444-555555555555"
PORT = "66666666-7777-4888-8999-aaaaaaaaaaaa"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKbk7fDbRWXwuLIVhZnCZdPOrcpLIYUDnLxSCmZk8lRI me"


class Neutron:
    """As much of Neutron as the API asks by itself: the work is done by others."""

    without_keystone = True

    def __init__(self) -> None:
        self.nets = [
            {
                "id": NETWORK,
                "name": "private",
                "project_id": PROJECT,
                "shared": False,
                "router:external": False,
                "mtu": 1450,
            }
        ]
        self.known: list[dict[str, Any]] = []

    def networks(self) -> list[dict[str, Any]]:
        return self.nets

    def network(self, network_id: str) -> dict[str, Any]:
        for network in self.nets:
            if network["id"] == network_id:
                return network
        raise NotFound("no such network")

    def port(self, port_id: str) -> dict[str, Any]:
        for port in self.known:
            if port["id"] == port_id:
                return port
        raise NotFound("no such port")

    def ports_of(self, *ids: str) -> list[dict[str, Any]]:
        return [port for port in self.known if port["device_id"] in ids]

    def delete_port(self, port_id: str) -> bool:
        self.known = [port for port in self.known if port["id"] != port_id]
        return True

    def update_port(self, port_id: str, _what: str, **changes: Any) -> dict[str, Any]:
        self.port(port_id).update(changes)
        return self.port(port_id)

    def collection(self, path: str, _what: str, **_query: Any) -> list[dict[str, Any]]:
        return {
            "/networks": self.nets,
            "/security-groups": [{"id": "group", "name": "default", "description": "", "project_id": PROJECT}],
            "/floatingips": [
                {"port_id": PORT, "fixed_ip_address": "10.0.0.5", "floating_ip_address": "203.0.113.5"},
            ],
        }[path]


class Agents:
    """The hosts' agents, all alive; they are asked for what no request waits for."""

    def alive(self) -> list[str]:
        return ["compute1", "compute2"]

    def require(self, *_hosts: str) -> None:
        pass

    def on(self, _host: str) -> Agents:
        return self

    def remove(self, _guest: str) -> bool:
        return True

    def show_guest(self, _guest: str) -> None:
        pass

    @contextmanager
    def claimed(self, *_: Any, **__: Any) -> Iterator[None]:
        yield


class Reach:
    """A lab that is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.neutron = Neutron()
        self.events = None

    def record(self) -> LabRecord:
        hosts = [HostRecord(f"compute{n}", "29.0.0", ("compute",), f"198.18.0.{n + 1}", "") for n in (1, 2)]
        hosts.append(HostRecord("network", "29.0.0", ("dhcp",), "198.18.0.4", ""))
        return LabRecord("lab", self.folder, "up", 1, "29.0.0", "ovs", "userspace", tuple(hosts))

    def lab_file(self) -> LabFile:
        return LabFile()

    def images(self) -> Any:
        return images(self.lab_file())

    def neutron_as(self, _token: str) -> Neutron:
        return self.neutron

    def compute_hosts(self) -> list[str]:
        return [host.name for host in self.record().hosts if "compute" in host.roles]

    @contextmanager
    def agents(self) -> Iterator[Agents]:
        yield Agents()


class Later:
    """A pool that keeps what it is given."""

    def __init__(self) -> None:
        self.works: list[tuple[Any, ...]] = []

    def submit(self, *work: Any) -> None:
        self.works.append(work)

    def run(self) -> None:
        works, self.works = self.works, []
        for function, *given in works:
            function(*given)


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    made = Shelves(Reach(tmp_path), tmp_path / "state.sqlite")  # type: ignore[arg-type]
    made.pool = made.endings = Later()  # type: ignore[assignment]
    return made


class Client:
    """A client of a user's: what keystonemiddleware would say of it."""

    def __init__(self, client: FlaskClient, roles: str, project: str) -> None:
        self._client = client
        self._headers = {
            "X-Identity-Status": "Confirmed",
            "X-Project-Id": project,
            "X-User-Id": USER,
            "X-Roles": roles,
            "X-Auth-Token": "token",
        }

    def __call__(self, method: str, path: str, body: Any = None, version: str = "") -> TestResponse:
        headers = {**self._headers, **({"OpenStack-API-Version": f"compute {version}"} if version else {})}
        given: dict[str, Any] = {"json": body} if not isinstance(body, bytes) else {"data": body}
        return self._client.open(path, method=method, headers=headers, **({} if body is None else given))


@pytest.fixture
def client(shelves: Shelves) -> FlaskClient:
    return application.make(make(shelves) for make in BLUEPRINTS).test_client()


@pytest.fixture
def admin(client: FlaskClient) -> Client:
    return Client(client, "admin,member,reader", PROJECT)


@pytest.fixture
def member(client: FlaskClient) -> Client:
    return Client(client, "member,reader", PROJECT)


@pytest.fixture
def stranger(client: FlaskClient) -> Client:
    return Client(client, "member,reader", OTHERS)


def image(shelves: Shelves) -> str:
    return str(next(iter(shelves.reach.images())))


def asked(shelves: Shelves, **more: Any) -> dict[str, Any]:
    wanted = {"name": "web 1", "imageRef": image(shelves), "flavorRef": "42", "networks": [{"uuid": NETWORK}]}
    return {"server": {**wanted, **more}}


def server(shelves: Shelves, **more: Any) -> ServerRecord:
    """Give a server that is there, with a port and a floating IP."""
    known = ServerRecord(
        **{
            "id": "99999999-8888-4777-8666-555555555555",
            "name": "web",
            "project_id": PROJECT,
            "user_id": USER,
            "image": image(shelves),
            "flavor": "42",
            "created": now(),
            "updated": now(),
            "hostname": "web",
            "host": "compute1",
            "vm_state": "active",
            "task_state": None,
            **more,
        }
    )
    shelves.servers.put(known.id, known)
    shelves.reach.neutron.known.append(  # type: ignore[attr-defined]
        {
            "id": PORT,
            "name": "",
            "network_id": NETWORK,
            "project_id": known.project_id,
            "binding:host_id": known.host,
            "device_id": known.id,
            "mac_address": "fa:16:3e:00:00:01",
            "status": "ACTIVE",
            "security_groups": ["group"],
            "fixed_ips": [{"subnet_id": NETWORK, "ip_address": "10.0.0.5"}],
        }
    )
    return known


def message(answer: TestResponse) -> str:
    (fault,) = answer.get_json().values()
    assert fault["code"] == answer.status_code
    return str(fault["message"])


# -- who may ask, and in which version -------------------------------------------------------------------------------


def test_versions_are_for_everybody_and_nothing_else_is(client: FlaskClient) -> None:
    assert client.get("/compute/").get_json()["versions"][0]["version"] == "2.96"
    assert client.get("/compute/v2.1").get_json()["version"]["min_version"] == "2.1"
    assert client.get("/image/").status_code == 300
    for path in (f"{COMPUTE}/servers", f"{COMPUTE}/flavors", f"{IMAGE}/images", f"{COMPUTE}/nothing"):
        refused = client.get(path)
        assert refused.status_code == 401, path
        assert "WWW-Authenticate" in refused.headers


@pytest.mark.parametrize(
    ("asked_for", "status", "told"),
    [("", 200, "2.1"), ("2.37", 200, "2.37"), ("latest", 200, "2.96"), ("2.999", 406, None), ("x", 400, None)],
)
def test_microversions(admin: Client, asked_for: str, status: int, told: str | None) -> None:
    answer = admin("GET", f"{COMPUTE}/flavors", version=asked_for)
    assert answer.status_code == status
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    assert answer.headers.get("X-OpenStack-Nova-API-Version") == told
    assert answer.headers.get("OpenStack-API-Version") == (f"compute {told}" if told else None)
    if status == 406:
        assert "2.999 is not supported" in message(answer)


def test_a_reader_reads_and_does_no_more(client: FlaskClient, shelves: Shelves) -> None:
    reader, known = Client(client, "reader", PROJECT), server(shelves)
    assert reader("GET", f"{COMPUTE}/servers/{known.id}").status_code == 200
    for answer in (
        reader("POST", f"{COMPUTE}/servers", asked(shelves)),
        reader("DELETE", f"{COMPUTE}/servers/{known.id}"),
        reader("POST", f"{COMPUTE}/servers/{known.id}/action", {"os-stop": None}),
    ):
        assert answer.status_code == 403
        assert message(answer).startswith("Policy doesn't allow os_compute_api:")


def test_what_is_anothers_projects_is_not_seen(stranger: Client, admin: Client, shelves: Shelves) -> None:
    known = server(shelves)
    assert stranger("GET", f"{COMPUTE}/servers/{known.id}").status_code == 404
    assert stranger("DELETE", f"{COMPUTE}/servers/{known.id}").status_code == 404
    assert stranger("GET", f"{COMPUTE}/servers/detail?all_tenants=1").get_json()["servers"] == []
    assert stranger("GET", f"{COMPUTE}/os-hypervisors").status_code == 403
    assert len(admin("GET", f"{COMPUTE}/servers/detail?all_tenants=1").get_json()["servers"]) == 1
    shown = stranger("GET", f"{COMPUTE}/os-keypairs").get_json()
    assert shown == {"keypairs": []}


# -- a server is asked for -------------------------------------------------------------------------------------------


def test_a_server_is_written_down_and_made_in_the_background(member: Client, shelves: Shelves) -> None:
    answer = member("POST", f"{COMPUTE}/servers", asked(shelves), "2.37")
    assert answer.status_code == 202
    made = answer.get_json()["server"]
    assert answer.headers["Location"].endswith(f"{COMPUTE}/servers/{made['id']}")
    ((build, noted, ports, groups, only),) = shelves.pool.works  # type: ignore[attr-defined]
    assert build.__name__ == "build"
    assert (noted.server, [port.network for port in ports], groups, only) == (made["id"], [NETWORK], (), "")
    shown = member("GET", f"{COMPUTE}/servers/{made['id']}").get_json()["server"]
    assert (shown["status"], shown["OS-EXT-STS:task_state"], shown["addresses"]) == ("BUILD", "scheduling", {})
    assert known_of(shelves, made["id"]).hostname == "web-1"


def known_of(shelves: Shelves, server_id: str) -> ServerRecord:
    found = shelves.servers.get(server_id)
    assert found is not None
    return found


def test_several_are_numbered(member: Client, shelves: Shelves) -> None:
    answer = member("POST", f"{COMPUTE}/servers", asked(shelves, max_count=3, min_count=1), "2.37")
    assert answer.status_code == 202
    assert [known.name for known in shelves.servers.all()] == ["web 1-1", "web 1-2", "web 1-3"]
    assert len({known.hostname for known in shelves.servers.all()}) == 3


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"imageRef": "no"}, 400, "Image no could not be found."),
    ({"flavorRef": "no"}, 400, "Flavor no could not be found."),
    ({"key_name": "no"}, 400, "Invalid key_name provided."),
    ({"networks": [{"uuid": PROJECT}]}, 400, f"Network {PROJECT} could not be found."),
    ({"networks": [{"port": PORT}]}, 400, f"Port id {PORT} could not be found."),
    ({"networks": None}, 400, "'networks' is a required property"),
    ({"networks": "all"}, 400, "networks"),
    ({"name": ""}, 400, "name"),
    ({"name": 5}, 400, "name"),
    ({"nonsense": 1}, 400, "Additional properties are not allowed ('nonsense' was unexpected)"),
    ({"user_data": "not base64!"}, 400, "User data needs to be valid base 64."),
    ({"security_groups": [{"name": "no"}]}, 400, "Security group no not found"),
    ({"availability_zone": "mars"}, 400, "The requested availability zone is not available"),
    ({"availability_zone": "nova:compute1"}, 403, "forced_host"),
    ({"min_count": 3, "max_count": 2}, 400, "min_count must be <= max_count"),
    ({"max_count": 1000}, 403, "Quota exceeded"),
    ({"block_device_mapping_v2": [{"source_type": "volume"}]}, 400, "no volumes"),
]


@pytest.mark.parametrize(("more", "status", "words"), BAD)
def test_what_cannot_be_is_refused_in_novas_words(
    member: Client, shelves: Shelves, more: dict[str, Any], status: int, words: str
) -> None:
    answer = member("POST", f"{COMPUTE}/servers", asked(shelves, **more), "2.37")
    assert answer.status_code == status
    assert words in message(answer)
    assert shelves.servers.all() == []


def test_a_port_in_use(member: Client, shelves: Shelves) -> None:
    server(shelves)
    answer = member("POST", f"{COMPUTE}/servers", asked(shelves, networks=[{"port": PORT}]), "2.37")
    assert answer.status_code == 409
    assert message(answer) == f"Port {PORT} is still in use."


def test_bodies_that_are_none(member: Client) -> None:
    assert member("POST", f"{COMPUTE}/servers", b"{not json").status_code == 400
    assert member("POST", f"{COMPUTE}/servers", b"[]").status_code == 400
    assert member("POST", f"{COMPUTE}/servers", b"x" * 2**20).status_code == 413
    assert member("PATCH", f"{COMPUTE}/servers").status_code == 405
    assert member("GET", f"{COMPUTE}/os-nothing").status_code == 404


def test_networks_that_nobody_names(member: Client, shelves: Shelves) -> None:
    for networks, version, found in ((None, "2.1", [NETWORK]), ("auto", "2.37", [NETWORK]), ("none", "2.37", [])):
        assert member("POST", f"{COMPUTE}/servers", asked(shelves, networks=networks), version).status_code == 202
        _, _, ports, *_ = shelves.pool.works[-1]  # type: ignore[attr-defined]
        assert [port.network for port in ports] == found
    neutron = shelves.reach.neutron
    neutron.nets.append({**neutron.nets[0], "id": PORT, "name": "second"})  # type: ignore[attr-defined]
    answer = member("POST", f"{COMPUTE}/servers", asked(shelves, networks="auto"), "2.37")
    assert (answer.status_code, "Multiple possible networks" in message(answer)) == (409, True)


# -- a server is there -----------------------------------------------------------------------------------------------


def test_addresses_are_neutrons_and_floating_ones_among_them(member: Client, shelves: Shelves) -> None:
    shown = member("GET", f"{COMPUTE}/servers/{server(shelves).id}").get_json()["server"]
    rows = shown["addresses"]["private"]
    assert [(row["addr"], row["OS-EXT-IPS:type"]) for row in rows] == [
        ("10.0.0.5", "fixed"),
        ("203.0.113.5", "floating"),
    ]
    assert shown["security_groups"] == [{"name": "default"}]
    assert "OS-EXT-SRV-ATTR:host" not in shown


def test_a_deleted_server_is_forgotten_with_its_port(member: Client, shelves: Shelves) -> None:
    known = server(shelves)
    assert member("DELETE", f"{COMPUTE}/servers/{known.id}").status_code == 204
    assert known_of(shelves, known.id).task_state == "deleting"
    shelves.pool.run()  # type: ignore[attr-defined]
    assert member("GET", f"{COMPUTE}/servers/{known.id}").status_code == 404
    assert shelves.reach.neutron.known == []  # type: ignore[attr-defined]


def test_actions_want_the_right_state_and_an_unlocked_server(member: Client, shelves: Shelves) -> None:
    known = server(shelves, vm_state="stopped")
    action = f"{COMPUTE}/servers/{known.id}/action"
    answer = member("POST", action, {"os-stop": None})
    assert (answer.status_code, message(answer)) == (
        409,
        f"Cannot 'stop' instance {known.id} while it is in vm_state stopped",
    )
    assert member("POST", action, {"lock": None}).status_code == 202
    assert message(member("POST", action, {"os-start": None})) == f"Instance {known.id} is locked"
    assert member("POST", action, {"unlock": None}).status_code == 202
    assert member("POST", action, {"os-start": None}).status_code == 202
    assert known_of(shelves, known.id).task_state == "powering-on"
    assert member("POST", action, {"os-start": None}).status_code == 409
    assert member("POST", action, {"fly": None}).status_code == 400
    assert member("POST", action, {"os-migrateLive": {"host": None}}).status_code == 403


def test_keypairs(member: Client, shelves: Shelves) -> None:
    made = member("POST", f"{COMPUTE}/os-keypairs", {"keypair": {"name": "own"}}, "2.2")
    assert made.status_code == 201
    assert "PRIVATE KEY" in made.get_json()["keypair"]["private_key"]
    assert member("POST", f"{COMPUTE}/os-keypairs", {"keypair": {"name": "own"}}).status_code == 409
    given = member("POST", f"{COMPUTE}/os-keypairs", {"keypair": {"name": "given", "public_key": KEY}})
    assert given.get_json()["keypair"]["fingerprint"].count(":") == 15
    bad = member("POST", f"{COMPUTE}/os-keypairs", {"keypair": {"name": "bad", "public_key": "no key"}})
    assert bad.status_code == 400
    names = [row["keypair"]["name"] for row in member("GET", f"{COMPUTE}/os-keypairs").get_json()["keypairs"]]
    assert names == ["given", "own"]
    assert member("DELETE", f"{COMPUTE}/os-keypairs/own", version="2.2").status_code == 204
    assert member("GET", f"{COMPUTE}/os-keypairs/own").status_code == 404


def test_images_are_read_only(member: Client) -> None:
    (shown,) = member("GET", f"{IMAGE}/images?name=fakevm").get_json()["images"]
    assert member("GET", f"{IMAGE}/images/{shown['id']}").get_json()["name"] == "fakevm"
    assert member("GET", f"{IMAGE}/images/no").status_code == 404
    assert member("DELETE", f"{IMAGE}/images/{shown['id']}").status_code == 403
    assert member("GET", f"{IMAGE}/images?name=other").get_json()["images"] == []


# -- where it comes, and what outlives the service -------------------------------------------------------------------


def test_the_host_with_the_fewest_servers_is_chosen(admin: Client, shelves: Shelves) -> None:
    server(shelves)
    new = server(shelves, id="1", host="")
    assert placing.place(shelves, Agents(), new) == "compute2"  # type: ignore[arg-type]
    answer = admin("PUT", f"{COMPUTE}/os-services/disable", {"host": "compute2", "binary": "nova-compute"})
    assert answer.get_json()["service"]["status"] == "disabled"
    assert placing.place(shelves, Agents(), new) == "compute1"  # type: ignore[arg-type]
    with pytest.raises(placing.NoValidHost, match="No valid host was found"):
        placing.place(shelves, Agents(), new, never=["compute1"])  # type: ignore[arg-type]


@pytest.mark.parametrize(("policy", "host"), [("affinity", "compute1"), ("anti-affinity", "compute2")])
def test_groups_keep_servers_together_or_apart(admin: Client, shelves: Shelves, policy: str, host: str) -> None:
    body = {"server_group": {"name": "g", "policy": policy}}
    group = admin("POST", f"{COMPUTE}/os-server-groups", body, "2.64").get_json()["server_group"]
    first = server(shelves, group=group["id"])
    server(shelves, id="other", host="compute1" if policy == "affinity" else "compute2")
    assert placing.place(shelves, Agents(), server(shelves, id="2", group=group["id"], host="")) == host  # type: ignore[arg-type]
    shown = admin("GET", f"{COMPUTE}/os-server-groups/{group['id']}", version="2.64").get_json()["server_group"]
    assert first.id in shown["members"]


def test_all_is_kept_when_the_service_starts_anew(shelves: Shelves, tmp_path: Path) -> None:
    built = server(shelves, id="1", vm_state="building", task_state="spawning")
    busy = server(shelves, id="2", task_state="powering-off")
    deleted = server(shelves, id="3", task_state="deleting")
    anew = Shelves(shelves.reach, tmp_path / "state.sqlite")
    anew.pool = anew.endings = Later()  # type: ignore[assignment]
    assert [known.id for known in anew.servers.all()] == ["1", "2", "3"]
    starting.go_on(anew)
    failed = known_of(anew, built.id)
    assert failed.fault
    assert (failed.status, "restarted" in failed.fault.message) == ("ERROR", True)
    assert known_of(anew, busy.id).task_state is None
    ((end, given),) = anew.pool.works  # type: ignore[attr-defined]
    assert (end.__func__, given) == (Ending.end, deleted.id)


# -- of the lab ------------------------------------------------------------------------------------------------------


def test_a_lab_without_keystone_cannot_have_it() -> None:
    with pytest.raises(InvalidFile) as refused:
        settle(reading.parse("compute_api: true", "lab.yaml"), kernel_datapath=False)
    assert "auth: keystone" in str(refused.value)
    settled = settle(reading.parse("{compute_api: true, auth: keystone}", "lab.yaml"), kernel_datapath=False)
    assert settled.plan.compute_api
    assert compute_api.ComputeApi.is_wanted(settled.plan)


def test_the_catalogue_has_it() -> None:
    from fakevm.lab import keystone, planning
    from fakevm.lab.doors import Doors

    plan = settle(reading.parse("{compute_api: true, auth: keystone}", "lab.yaml"), kernel_datapath=False).plan
    identity = planning.reached(plan, Doors(1, 2, 3, 4, 5)).identity
    assert identity is not None
    services = keystone._known(identity)["services"]
    assert services["nova"] == {"type": "compute", "url": "http://127.0.0.1:5/compute/v2.1"}
    assert services["glance"] == {"type": "image", "url": "http://127.0.0.1:5/image"}
    without = planning.reached(plan, Doors(1, 2, 3, 4)).identity
    assert without is not None
    assert list(keystone._known(without)["services"]) == ["neutron"]
