"""Whoever is of one tenant cannot find out what there is in another: there or not, the answer is the same."""

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import msgspec
import pytest
from gateway_system import System, eventually, running  # type: ignore[import-not-found]
from plant_of_two_tenants import PRESS, PUMP, commit_outcomes  # type: ignore[import-not-found]

from iot_edge_anomaly.core.names import partition_of
from iot_edge_anomaly.gateway.route import Nothing
from iot_edge_anomaly.gateway.routes import ROUTES
from iot_edge_anomaly.gateway.settings import GatewaySettings
from iot_edge_anomaly.security.principal import Permission

pytestmark = pytest.mark.server

MISSING = "rival/hall/presz"
WINDOW = [[1.0, 2.0, 3.0]] * 4


class Ask(NamedTuple):
    """A request with `NAME` where the thing is named, one of rival's that is there, and one that is not."""

    method: str
    route: str
    path: str
    there: str
    missing: str
    status: int
    body: Any = None


def of_asset(method: str, route: str, body: Any = None, path: str = "") -> Ask:
    return Ask(method, route, path or route, str(PRESS), MISSING, 403, body)


def of_alarm(route: str, body: Any = None, method: str = "POST") -> Ask:
    return Ask(method, route, route.replace("{id}", "NAME"), "Apress", "Apresz", 404, body)


def of_record(route: str, body: Any = None) -> Ask:
    home = partition_of(PRESS, 2)
    behind_the_pump = int(partition_of(PUMP, 2) == home)
    return Ask("POST", route, route.replace("{id}", "NAME"), f"{home}-1-{behind_the_pump}", "7-7-7", 400, body)


ASKS = (
    of_asset("POST", "/v1/readings", {"asset": "NAME", "rows": [{"a": 1.0}]}),
    of_asset("POST", "/v1/predict", {"asset": "NAME", "window": WINDOW}),
    of_asset("GET", "/v1/assets/{name:path}", path="/v1/assets/NAME"),
    of_asset("GET", "/v1/alarms", path="/v1/alarms?asset=NAME"),
    of_asset("GET", "/v1/scores", path="/v1/scores?asset=NAME"),
    of_alarm("/v1/alarms/{id}", method="GET"),
    Ask("POST", "/v1/acknowledge", "/v1/acknowledge", "Apress", "Apresz", 400, {"alarms": ["NAME"]}),
    of_asset("POST", "/v1/limits", {"asset": "NAME", "sensor": "a", "high_limit": 60.0}),
    of_alarm("/v1/alarms/{id}/acknowledge"),
    of_alarm("/v1/alarms/{id}/feedback", {"right": True}),
    of_asset("POST", "/v1/maintenance", {"asset": "NAME", "duration": "1h"}),
    of_asset("POST", "/v1/shelving", {"asset": "NAME", "condition": "score", "duration": "1h", "reason": "x"}),
    of_asset("POST", "/v1/new-normal", {"asset": "NAME"}),
    of_record("/v1/set-aside/{id}/reinject", {"asset": str(PUMP), "payload": '{"time": 1790000000, "a": 1}'}),
    of_record("/v1/set-aside/{id}/dismiss"),
)
LISTS = (
    "/v1/assets",
    "/v1/alarms?state=all",
    "/v1/alarms?state=open",
    "/v1/alarms?prefix=rival&state=all",
    "/v1/alarms?words=press&state=all",
    "/v1/budget?weeks=520",
    "/v1/budget?weeks=520&prefix=rival/hall",
    "/v1/days?days=3660",
    "/v1/days?days=3660&prefix=rival",
    "/v1/models",
    "/v1/set-aside",
    "/v1/reconcile",
)
OF_THE_MACHINE = ("/v1/status", "/healthz", "/readyz", "/metrics", "/openapi.json")
"""What tells of processes and counts, by no name of a tenant, an asset, a sensor or a person."""


class Seen(NamedTuple):
    system: System
    owner: httpx.Client
    acme: httpx.Client


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    for system in running(tmp_path_factory.mktemp("tenants"), GatewaySettings()):
        asyncio.run(commit_outcomes(system.address, ""))
        system.start_views()
        with system.client() as owner, system.client(tenants=frozenset({"acme"}), name="acme-operator") as acme:
            eventually(lambda: len(owner.get("/v1/assets").json()["assets"]) == 2)
            eventually(lambda: len(owner.get("/v1/alarms?state=all").json().get("alarms", ())) == 3)
            yield Seen(system, owner, acme)


def answer(client: httpx.Client, ask: Ask, name: str) -> tuple[int, str]:
    """Status and words; the name that was asked for, which the caller knows, is taken out."""
    body = ask.body and msgspec.json.decode(msgspec.json.encode(ask.body).replace(b"NAME", name.encode()))
    response = client.request(ask.method, ask.path.replace("NAME", quote(name)), json=body)
    problem = response.json()
    return response.status_code, f"{problem['type']} {problem['title']} {problem['detail']}".replace(name, "NAME")


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: f"{ask.method} {ask.route}")
def test_what_is_there_and_what_is_not_are_answered_alike(seen: Seen, ask: Ask) -> None:
    stored = len(seen.system.stored())
    there, missing = (answer(seen.acme, ask, name) for name in (ask.there, ask.missing))
    assert there == missing
    assert there[0] == ask.status
    assert len(seen.system.stored()) == stored, "nothing was done"


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: f"{ask.method} {ask.route}")
def test_so_are_they_without_the_permission(seen: Seen, ask: Ask) -> None:
    lacking = Permission.WRITE_READINGS if ask.route != "/v1/readings" else Permission.READ
    with seen.system.client(lacking, tenants=frozenset({"acme"}), name=f"no-{ask.route}") as client:
        there, missing = (answer(client, ask, name) for name in (ask.there, ask.missing))
    assert there == missing
    assert there[0] == 403


@pytest.mark.parametrize("path", [*LISTS, *OF_THE_MACHINE])
def test_nothing_that_is_listed_names_the_other_tenant(seen: Seen, path: str) -> None:
    found = seen.acme.get(path)
    assert found.status_code == 200
    assert PRESS.tenant not in found.text
    assert PRESS.asset not in found.text


@pytest.mark.parametrize("path", [path for path in LISTS if path.startswith(("/v1/alarms", "/v1/budget", "/v1/days"))])
def test_whoever_may_know_of_both_is_told_of_both(seen: Seen, path: str) -> None:
    """So that what the test before does not find is there to be found."""
    assert str(PRESS) in seen.owner.get(path).text


def test_no_route_is_left_out() -> None:
    asked = {(ask.method, ask.route) for ask in ASKS} | {("GET", path) for path in OF_THE_MACHINE}
    asked |= {("GET", path.partition("?")[0]) for path in LISTS}
    assert asked == {(route.method, route.path) for route in ROUTES}
    assert all(route.parameters is Nothing for route in ROUTES if route.path in OF_THE_MACHINE)
