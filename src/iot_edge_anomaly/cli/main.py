"""The command line: `iot-edge-anomaly VERB`. Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration."""

import sys
from typing import Annotated

import typer

from iot_edge_anomaly import __version__
from iot_edge_anomaly.cli import alarms, assets, configuration, credentials, files, inspect, stream, system
from iot_edge_anomaly.core.errors import ConfigError, IotEdgeAnomalyError

FAILED = 1
WRONG_USAGE = 2

app = typer.Typer(
    name="iot-edge-anomaly",
    help="Anomaly detection for industrial sensors, from the reading to the explained alarm.",
    epilog="Start with: iot-edge-anomaly up --demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

system.add_to(app)
inspect.add_to(app)
alarms.add_to(app)
assets.add_to(app)
stream.add_to(app)
files.add_to(app)
configuration.add_to(app)
credentials.add_to(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"iot-edge-anomaly {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Anomaly detection for industrial sensors, from the reading to the explained alarm."""


def main() -> None:
    """Run the command line; turn errors that a person can mend into one message and an exit code."""
    try:
        app()
    except (IotEdgeAnomalyError, BaseExceptionGroup) as error:
        meant = _meant(error)
        if meant is None:
            raise
        typer.echo(f"error: {meant}", err=True)
        sys.exit(WRONG_USAGE if isinstance(meant, ConfigError) else FAILED)


def _meant(error: BaseException) -> IotEdgeAnomalyError | None:
    """Return the one error of ours that a group of tasks failed with; None if anything else failed too."""
    if isinstance(error, IotEdgeAnomalyError):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = [_meant(inner) for inner in error.exceptions]
        return found[0] if all(inner is not None for inner in found) else None
    return None


if __name__ == "__main__":
    main()
