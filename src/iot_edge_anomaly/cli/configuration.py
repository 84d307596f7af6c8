"""`config`: check a configuration file, and tell all that one may say."""

import os
from pathlib import Path
from typing import Annotated

import typer

from iot_edge_anomaly.app import reference
from iot_edge_anomaly.app.settings import check, problems_as_text, read_text
from iot_edge_anomaly.core.errors import ConfigError

config = typer.Typer(no_args_is_help=True, help="Check a configuration file, or tell all that one may say.")


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.add_typer(config, name="config")


@config.command("check")
def check_file(path: Annotated[Path, typer.Argument(help="The TOML file to check.")]) -> None:
    """Print every problem as FILE:LINE: KEY: what is wrong; exit code 2 if there is one. Nothing is started.

    Example: iot-edge-anomaly config check plant.toml
    """
    settings, problems = check(read_text(path), str(path), os.environ)
    if problems:
        raise ConfigError(problems_as_text(problems))
    typer.echo(
        f"{path} is fine: {len(settings.connectors)} connectors, {len(settings.sinks)} sinks, "
        f"{len(settings.rules)} asset rules"
    )


@config.command("sample")
def print_sample() -> None:
    """Print a configuration file with every key, its default and what it means.

    Example: iot-edge-anomaly config sample > plant.toml
    """
    typer.echo(reference.sample(), nl=False)


@config.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of a configuration file, by which editors complete and check.

    Example: iot-edge-anomaly config schema > schema.json
    """
    typer.echo(reference.schema(), nl=False)


@config.command("reference")
def print_reference() -> None:
    """Print the reference page (Markdown) of all tables and keys.

    Example: iot-edge-anomaly config reference > configuration.md
    """
    typer.echo(reference.reference(), nl=False)
