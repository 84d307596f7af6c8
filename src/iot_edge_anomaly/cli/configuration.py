"""`config check`: everything that is wrong with a configuration file, with the line it stands on."""

import os
from pathlib import Path
from typing import Annotated

import typer

from iot_edge_anomaly.app.settings import check
from iot_edge_anomaly.core.errors import ConfigError

config = typer.Typer(no_args_is_help=True, help="Check a configuration file.")


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.add_typer(config, name="config")


@config.command("check")
def check_file(path: Annotated[Path, typer.Argument(help="The TOML file to check.")]) -> None:
    """Print every problem as FILE:LINE: KEY: what is wrong; exit code 2 if there is one. Nothing is started.

    Example: iot-edge-anomaly config check plant.toml
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error}") from error
    settings, problems = check(text, str(path), os.environ)
    if problems:
        raise ConfigError("\n".join(map(str, problems)))
    typer.echo(f"{path} is fine: {len(settings.connectors)} connectors, {len(settings.rules)} asset rules")
