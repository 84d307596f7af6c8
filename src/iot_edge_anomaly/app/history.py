"""The historian role, and whether there is one."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from iot_edge_anomaly.app.settings import Settings
from iot_edge_anomaly.app.worker import stop_event
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.settings import read_address
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.observability.metrics import keep_snapshot, metrics_folder
from iot_edge_anomaly.resilience.beside import beside

if TYPE_CHECKING:
    from iot_edge_anomaly.historian.history import History

ROLE = "historian"
READS = (READINGS, OUTCOMES)
"""The streams that the historian has reserved until it has written them down."""


def history_folder(data_dir: Path) -> Path:
    """Return where the tables stand."""
    return data_dir / "history"


def has_history(settings: Settings) -> bool:
    """Tell whether there will be a historian: wanted, and the extra `history` is installed."""
    return settings.history.enabled and importlib.util.find_spec("deltalake") is not None


def open_history(settings: Settings, data_dir: Path) -> "History | None":
    """Return what reads the tables; None where there is no historian."""
    if not has_history(settings):
        return None
    from iot_edge_anomaly.historian.history import History

    return History(history_folder(data_dir))


async def run_historian(settings: Settings, data_dir: Path) -> None:
    """Write history until SIGTERM or SIGINT. Raises ConfigError when the extra is not installed."""
    try:
        from iot_edge_anomaly.historian.write import keep_history
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"history needs {error.name}; bring it with: pip install 'iot-edge-anomaly[history]'"
        ) from error
    address = read_address(data_dir)
    stop = stop_event()
    async with (
        connect(address, ROLE) as bus,
        beside(
            keep_snapshot(ROLE, metrics_folder(data_dir)),
            keep_history(bus, address.partitions, history_folder(data_dir), settings.history),
        ),
    ):
        await stop.wait()
