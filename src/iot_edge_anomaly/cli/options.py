"""Options that many verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from iot_edge_anomaly.app.settings import DEFAULT_DATA_DIR

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
