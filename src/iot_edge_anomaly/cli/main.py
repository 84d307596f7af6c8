"""The command line: `iot-edge-anomaly VERB`. Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration."""

import os
import sys
from typing import Annotated

import typer

from iot_edge_anomaly import __version__
from iot_edge_anomaly.cli import (
    alarms,
    assets,
    backtest,
    budget,
    configuration,
    credentials,
    export,
    files,
    inspect,
    lineage,
    reference,
    set_aside,
    sinks,
    stream,
    system,
)
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
lineage.add_to(app)
assets.add_to(app)
budget.add_to(app)
stream.add_to(app)
set_aside.add_to(app)
export.add_to(app)
files.add_to(app)
backtest.add_to(app)
configuration.add_to(app)
credentials.add_to(app)
sinks.add_to(app)
reference.add_to(app)


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
        app(prog_name="iot-edge-anomaly")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has seen enough
        sys.exit(FAILED)
    except (IotEdgeAnomalyError, OSError, BaseExceptionGroup) as error:
        meant = _meant(error)
        if meant is None:
            raise
        typer.echo(f"error: {_said(meant)}", err=True)
        sys.exit(WRONG_USAGE if _is_usage(meant) else FAILED)


def _meant(error: BaseException) -> IotEdgeAnomalyError | OSError | None:
    """Return the one error to tell that a group of tasks failed with; None if anything else failed too."""
    if isinstance(error, IotEdgeAnomalyError | OSError):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = [_meant(inner) for inner in error.exceptions]
        return found[0] if all(inner is not None for inner in found) else None
    return None


def _said(error: IotEdgeAnomalyError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _is_usage(error: IotEdgeAnomalyError | OSError) -> bool:
    """Tell whether other arguments would help: a file that is not there, or that may not be used."""
    return isinstance(
        error,
        ConfigError | FileNotFoundError | FileExistsError | PermissionError | IsADirectoryError | NotADirectoryError,
    )


if __name__ == "__main__":
    main()
