"""The ASGI application: `granian --factory iot_edge_anomaly.gateway.app:create`."""

import gc
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import falcon.asgi
import msgspec

from iot_edge_anomaly.gateway.idempotency import Answers
from iot_edge_anomaly.gateway.limits import RateLimits
from iot_edge_anomaly.gateway.problems import add_handlers
from iot_edge_anomaly.gateway.route import Access, responder_of
from iot_edge_anomaly.gateway.routes import ROUTES
from iot_edge_anomaly.gateway.services import ROLE, Services, open_services
from iot_edge_anomaly.gateway.settings import GatewaySettings
from iot_edge_anomaly.observability.logging import configure_logging
from iot_edge_anomaly.resilience.tether import die_with_parent
from iot_edge_anomaly.security.tokens import token_store

DATA_DIR_VARIABLE = "IOT_EDGE_ANOMALY_GATEWAY_DATA_DIR"
SETTINGS_VARIABLE = "IOT_EDGE_ANOMALY_GATEWAY_SETTINGS"
"""How the parent hands over: environment, since the server loads the application by name."""

App = falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]


class Lifespan:
    """Opens the services when the server starts and closes them, in-flight requests done, when it stops."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._stack = AsyncExitStack()
        self._services: Services | None = None

    def services(self) -> Services:
        """Return the services: they exist between start and stop, which is when requests come."""
        assert self._services is not None
        return self._services

    async def process_startup(self, scope: Mapping[str, Any], event: Mapping[str, Any]) -> None:  # noqa: ARG002 - ASGI
        """Open the services."""
        self._services = await self._stack.enter_async_context(open_services(self._data_dir))

    async def process_shutdown(self, scope: Mapping[str, Any], event: Mapping[str, Any]) -> None:  # noqa: ARG002 - ASGI
        """Close them."""
        await self._stack.aclose()


def create() -> App:
    """Return the application of this process, which ends when its parent does."""
    die_with_parent()
    configure_logging(ROLE)
    settings = msgspec.json.decode(os.environ[SETTINGS_VARIABLE], type=GatewaySettings)
    app = application(Path(os.environ[DATA_DIR_VARIABLE]), settings)
    _collect_less()
    return app


def _collect_less() -> None:
    """Tune the garbage collector for many short-lived objects: 12 % more requests a second (benchmarks/http.py)."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def application(data_dir: Path, settings: GatewaySettings) -> App:
    """Return the application on a data folder."""
    lifespan = Lifespan(data_dir)
    app: App = falcon.asgi.App()
    app.add_middleware(lifespan)
    app.req_options.strip_url_path_trailing_slash = False
    app.req_options.keep_blank_qs_values = True
    add_handlers(app)
    access = Access(
        token_store(data_dir),
        RateLimits(settings.requests_per_second, settings.burst),
        Answers(),
        settings.max_body_bytes,
    )
    for path in dict.fromkeys(route.path for route in ROUTES):
        methods = {
            f"on_{route.method.lower()}": responder_of(route, lifespan.services, access)
            for route in ROUTES
            if route.path == path
        }
        app.add_route(path, SimpleNamespace(**methods))
    return app
