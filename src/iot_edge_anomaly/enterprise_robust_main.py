"""The original Python API, word for word, as a thin front on the real system.

    system = create_enterprise_robust_system()
    await system.initialize_system()
    result = await system.predict_anomaly(sensor_data=window, client_id="line-3", return_explanations=True)

`initialize_system` uses the system that runs in the data folder, or starts one that ends with this process. Whoever
owns the data folder is who acts; `client_id` says on whose behalf and is recorded, it is no credential.
"""

import asyncio
import atexit
import json
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from iot_edge_anomaly.app.ports import recorded_port
from iot_edge_anomaly.app.settings import DEFAULT_DATA_DIR
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.resilience.tether import die_with_parent, is_owned
from iot_edge_anomaly.security.tokens import TokenKind, token_store

START_SECONDS = 60.0
CALL_SECONDS = 10.0


class AnomalySystem:
    """A running system, seen from Python."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._started: subprocess.Popen[bytes] | None = None

    async def initialize_system(self) -> None:
        """Make sure that a system runs in the data folder. Raises UnavailableError if it does not come up."""
        if not is_owned(self._data_dir):
            command = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "up", "--data-dir", str(self._data_dir)]
            self._started = subprocess.Popen(  # noqa: S603 - our own program
                command, stdout=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent
            )
            atexit.register(self.close)
        async with asyncio.timeout(START_SECONDS):
            while not await self._is_ready():
                if self._started is not None and self._started.poll() is not None:
                    raise UnavailableError(f"the system did not start; see {self._data_dir / 'logs'}")
                await asyncio.sleep(0.1)

    async def predict_anomaly(
        self, sensor_data: ArrayLike, client_id: str, return_explanations: bool = False
    ) -> dict[str, Any]:
        """Score the last row of a window of (rows, sensors), or of a batch of one such.

        A set of sensors of which nothing has been learned is scored by the cold start, and the result says
        `provisional`. Raises RejectedError for what is no window.
        """
        rows = np.asarray(sensor_data, dtype=np.float64)
        if rows.ndim == 3 and len(rows) == 1:
            rows = rows[0]
        if rows.ndim != 2:
            raise RejectedError(f"a window has rows and sensors; this has the shape {rows.shape}")
        window = [[value if np.isfinite(value) else None for value in row] for row in rows.tolist()]
        found = await self._call("POST", "/v1/predict", {"rows": window})
        result = {
            "anomaly_score": found["score"],
            "is_anomaly": found["anomaly"],
            "provisional": found["phase"] != "calibrated",
            "model": found["model"],
            "note": found["note"],
            "client_id": client_id,
        }
        return {**result, "explanations": found["sensors"]} if return_explanations else result

    async def get_system_status(self) -> dict[str, Any]:
        """Return how the system is: overall health, and each component's own facts."""
        ready = await self._call("GET", "/readyz")
        status = await self._call("GET", "/v1/status")
        tokens = token_store(self._data_dir).records()
        sessions = sum(record.kind is not TokenKind.SIGN_IN for record in tokens)
        return {
            "overall_health": {"status": "healthy" if ready["ready"] else "degraded", "checks": ready["checks"]},
            "component_status": {"security": {"active_sessions": sessions}, "stream": status},
        }

    def close(self) -> None:
        """Stop the system if this object started it."""
        if self._started is not None and self._started.poll() is None:
            self._started.terminate()
            self._started.wait(30)

    async def _is_ready(self) -> bool:
        try:
            return bool((await self._call("GET", "/readyz"))["ready"])
        except (UnavailableError, OSError):
            return False

    async def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        return await asyncio.to_thread(self._exchange, method, path, body)

    def _exchange(self, method: str, path: str, body: object) -> dict[str, Any]:
        token_file = self._data_dir / "security" / "owner.token"
        if not token_file.exists() or not (self._data_dir / "run" / "ports.json").exists():
            raise UnavailableError("the system is starting")
        connection = HTTPConnection("127.0.0.1", recorded_port(self._data_dir, "gateway"), timeout=CALL_SECONDS)
        headers = {"Authorization": f"Bearer {token_file.read_text().strip()}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
        except (OSError, ValueError) as error:
            raise UnavailableError(f"the gateway does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status >= 500 and path != "/readyz":
            raise UnavailableError(str(found.get("detail", found)))
        if answer.status >= 400 and path != "/readyz":
            raise RejectedError(str(found.get("detail", found)))
        return found


def create_enterprise_robust_system(data_dir: str | Path = DEFAULT_DATA_DIR) -> AnomalySystem:
    """Return the system of a data folder; nothing is started yet."""
    return AnomalySystem(Path(data_dir).resolve())
