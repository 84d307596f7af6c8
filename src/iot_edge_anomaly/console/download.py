"""The address behind the button Export: the rows of an asset as a file to download."""

import shutil
import tempfile
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from iot_edge_anomaly.console.assets.export import SPANS
from iot_edge_anomaly.console.plain_page import plain_page
from iot_edge_anomaly.console.sessions import COOKIE, Sessions
from iot_edge_anomaly.console.view import Exports
from iot_edge_anomaly.console.words import sentence
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError, UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.historian.export import Format, What
from iot_edge_anomaly.security.principal import Principal


def download_routes(sessions: Sessions, exports: Exports, clock: Clock) -> APIRouter:
    """Return the route. Whoever has no session does not come so far: see `console/gate.py`."""
    routes = APIRouter()

    @routes.get("/export")
    async def export(
        request: Request, asset: str, what: What, form: Format, span: Annotated[str, Query()] = ""
    ) -> Response:
        who = sessions.principal(request.cookies.get(COOKIE))
        folder = Path(tempfile.mkdtemp(prefix="iot-edge-anomaly-export-"))
        try:
            assert who is not None
            file = await _written(exports, who, AssetKey.parse(asset), what, form, _since(clock, span), folder)
        except (IotEdgeAnomalyError, OSError) as error:
            shutil.rmtree(folder)
            return _problem(error)
        except BaseException:
            shutil.rmtree(folder)
            raise
        return FileResponse(file, filename=file.name, background=BackgroundTask(shutil.rmtree, folder))

    return routes


async def _written(
    exports: Exports, who: Principal, key: AssetKey, what: What, form: Format, since_ns: int, folder: Path
) -> Path:
    file = folder / f"{key.asset.rpartition('/')[2]}-{what}.{form}"
    await exports.write(who, key, what, form, since_ns, file)
    return file


def _since(clock: Clock, span: str) -> int:
    wanted = SPANS.get(span)
    return 0 if wanted is None else clock.now_ns() - wanted.span // timedelta(microseconds=1) * 1_000


def _problem(error: Exception) -> Response:
    body = f"""<p class="problem" role="alert">{escape(sentence(str(error)))}</p>
<p><a href="/">To the overview</a></p>"""
    return plain_page("Export", body, 503 if isinstance(error, UnavailableError) else 400)
