"""Options that many verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from iot_edge_anomaly.app.settings import DEFAULT_DATA_DIR
from iot_edge_anomaly.core.errors import ConfigError

DataDir = Annotated[
    Path,
    typer.Option("--data-dir", envvar="IOT_EDGE_ANOMALY_DATA_DIR", help="Folder that holds all that the system keeps."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", envvar="IOT_EDGE_ANOMALY_CONFIG", help="Configuration file (TOML); none: the defaults."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

DATA_DIR = DEFAULT_DATA_DIR


def existing(data_dir: Path) -> Path:
    """Return the folder. Raises ConfigError where there is none: what is written there would reach no system."""
    if not data_dir.is_dir():
        raise ConfigError(
            f"there is no data folder {data_dir}; name that of your system with --data-dir, "
            f"or start one with: iot-edge-anomaly up --data-dir {data_dir}"
        )
    return data_dir
