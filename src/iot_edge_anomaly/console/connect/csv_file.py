"""Connect a CSV file that lies on this machine: look at its first rows, then have it read."""

import time
from datetime import UTC, datetime

import anyio
import msgspec

from iot_edge_anomaly.connectors.csv_file import CsvSettings, first_rows
from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.connect.saving import Saving, Wanted
from iot_edge_anomaly.console.elements import box, button, text
from iot_edge_anomaly.console.fields import Field, command_line
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.core.errors import ConfigError, IotEdgeAnomalyError, RejectedError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.security.principal import EVERY_TENANT

MOST_ROWS = 6
MOST_COLUMNS = 8


class ConnectCsv:
    """A file, the asset it is of, its first rows as they would be read."""

    def __init__(self, visit: Visit, backstage: Backstage) -> None:
        self._visit = visit
        self._backstage = backstage
        with box("card form", "section").props('aria-label="A CSV file"'):
            text("h2", "A CSV file")
            text("p", "From any machine, with a token that may write readings:", "hint")
            to = f"--asset acme/site-1/pump-8 --to {backstage.gateway}"
            command_line(f"IOT_EDGE_ANOMALY_TOKEN=… iot-edge-anomaly replay history.csv {to}", "Send a file")
            if visit.who.tenants != EVERY_TENANT:
                text("p", "Files of this machine are read for those only who may configure all tenants.")
                return
            text("p", "A file of this machine is read once; the same file read again counts once.")
            self._path = Field("Path of the file", hint="On the machine of this system, for example /data/pump.csv.")
            self._asset = Field("Asset", hint="tenant/…/asset, for example acme/site-1/pump-8.")
            button("Look at the file", self._on_look, "primary")
        self._result = box("result")

    async def _on_look(self) -> None:
        self._result.clear()
        try:
            settings = self._settings()
            batch = await anyio.to_thread.run_sync(first_rows, settings, time.time_ns())
        except IotEdgeAnomalyError as error:
            self._path.complain(str(error))
            return
        with self._result:
            self._show(batch)
            Saving(self._visit, self._backstage, self._wanted).update()

    def _settings(self) -> CsvSettings:
        said = {"type": "csv", "path": self._path.value.strip(), "asset": self._asset.value.strip()}
        try:
            return msgspec.convert(said, CsvSettings)
        except (msgspec.ValidationError, ConfigError) as error:
            raise RejectedError(str(error)) from error

    def _wanted(self) -> Wanted:
        settings = self._settings()
        return Wanted(settings, AssetKey.parse(settings.asset).tenant)

    def _show(self, batch: Batch) -> None:
        rows: dict[int, dict[str, float]] = {}
        for time_ns, number, value in zip(batch.times(), batch.sensor_indices(), batch.values(), strict=True):
            rows.setdefault(int(time_ns), {})[batch.sensors[number]] = float(value)
        sensors = batch.sensors[:MOST_COLUMNS]
        with box("card wide", "section").props('aria-label="First rows"'):
            text("h2", f"{len(batch.sensors)} sensors")
            with box("scroll").props("tabindex=0"), box("", "table"):
                with box("", "thead"), box("", "tr"):
                    for name in ("time", *sensors):
                        text("th", name).props("scope=col")
                with box("", "tbody"):
                    for time_ns, row in [*rows.items()][:MOST_ROWS]:
                        with box("", "tr"):
                            text("td", _when(time_ns))
                            for sensor in sensors:
                                text("td", f"{row[sensor]:g}" if sensor in row else "–", "number")
            for reason in [*dict.fromkeys(f"{one.sensor or 'row'}: {one.reason}" for one in batch.set_aside)][:4]:
                text("p", f"Would be set aside: {reason}", "wrong")


def _when(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"
