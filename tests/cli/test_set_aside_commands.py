"""Records set aside by command and over HTTP: both know them by the same names, and each what the other did."""

from collections.abc import Iterator

import httpx
import msgspec
import pytest
from small_system import SmallSystem, eventually, small_system  # type: ignore[import-not-found]

from iot_edge_anomaly.security.principal import Permission, Principal
from iot_edge_anomaly.security.tokens import token_store

pytestmark = pytest.mark.server

PUMP = "acme/site-1/pump-1"
FINE = '{"time": 1790000000, "flow": 12.5}'


@pytest.fixture(scope="module")
def own_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallSystem]:
    with small_system(tmp_path_factory.mktemp("set-aside"), "") as system:
        rows = [{"flow": "12,5"}, {"flow": "warm"}, {"time": "x" * 2000, "flow": 1}]
        with system.client() as client:
            for asset in (PUMP, "rival/press"):
                assert client.post("/v1/readings", json={"asset": asset, "rows": rows}).status_code == 202
            eventually(lambda: len(client.get("/v1/set-aside").json()["set_aside"]) == 6)
        yield system


def client_of(system: SmallSystem, *permissions: Permission) -> httpx.Client:
    principal = Principal("ada", frozenset({"acme"}), frozenset(permissions))
    token = token_store(system.data_dir).create(principal)
    headers = {"Authorization": f"Bearer {token}"}
    assets = f"{system.url}/v1/assets"  # the gateway looks for new tokens once a second
    eventually(lambda: httpx.get(assets, headers=headers).status_code == 200)
    return httpx.Client(base_url=system.url, headers=headers, timeout=30)


def test_a_record_is_mended_by_command_once(own_system: SmallSystem) -> None:
    records = own_system.told("set-aside", "list")
    warm = next(one for one in records if one["asset"] == PUMP and one["record"][2] == "value is text")
    for payload, why in (("{", "cannot read the message"), ('{"flow": 1}', "it has no time")):
        done = own_system.ask("set-aside", "reinject", warm["id"], "--asset", PUMP, "--payload", payload)
        assert done.returncode == 1
        assert why in done.stderr
    done = own_system.ask("set-aside", "reinject", warm["id"], "--asset", PUMP, "--payload", FINE)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"1 values of {PUMP} are stored, from 'handed in by" in done.stdout
    again = own_system.ask("set-aside", "reinject", warm["id"], "--asset", PUMP, "--payload", FINE)
    assert "handed this record in already" in again.stderr
    assert warm["id"] not in own_system.ask("set-aside", "list").stdout
    assert warm["id"] in own_system.ask("set-aside", "list", "--all").stdout
    eventually(lambda: own_system.ask("reconcile").returncode == 0)


def test_over_http_only_who_may_configure_acts_and_only_on_own_tenants(own_system: SmallSystem) -> None:
    with client_of(own_system, *Permission) as ada, own_system.client() as everybody:
        mine = ada.get("/v1/set-aside").json()["set_aside"]
        assert {one["asset"] for one in mine} == {PUMP}
        record = next(one for one in mine if one["fate"] == "open" and one["reason"] == "value is text")
        foreign = next(one for one in everybody.get("/v1/set-aside").json()["set_aside"] if one["asset"] != PUMP)
        body = {"payload": FINE, "asset": PUMP}
        assert ada.post(f"/v1/set-aside/{foreign['id']}/reinject", json=body).status_code == 400
        assert ada.post(f"/v1/set-aside/{foreign['id']}/dismiss").status_code == 400
        elsewhere = ada.post(f"/v1/set-aside/{record['id']}/reinject", json={**body, "asset": "rival/press"})
        assert elsewhere.status_code == 403
        with client_of(own_system, Permission.READ, Permission.OPERATE) as guest:
            assert guest.post(f"/v1/set-aside/{record['id']}/reinject", json=body).status_code == 403
        wrong = ada.post(f"/v1/set-aside/{record['id']}/reinject", json={**body, "payload": "12,5"})
        assert (wrong.status_code, "cannot read the message" in wrong.json()["detail"]) == (400, True)
        done = ada.post(f"/v1/set-aside/{record['id']}/reinject", json=body)
        assert (done.status_code, done.json()) == (202, {"asset": PUMP, "source": "handed in by ada", "accepted": 1})


def test_what_is_dismissed_over_http_is_gone_for_the_command(own_system: SmallSystem) -> None:
    with own_system.client() as client:
        record = next(one for one in client.get("/v1/set-aside").json()["set_aside"] if "ISO" in one["reason"])
        assert client.post(f"/v1/set-aside/{record['id']}/dismiss").status_code == 200
    assert record["id"] not in own_system.ask("set-aside", "list").stdout
    (told,) = [one for one in own_system.told("set-aside", "list", "--all") if one["id"] == record["id"]]
    assert told["fate"] == "dismissed"
    assert "there is no record 'x'" in own_system.ask("set-aside", "dismiss", "x").stderr
    assert msgspec.json.encode(told)
