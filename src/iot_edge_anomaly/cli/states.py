"""How the operating states of a machine are declared on the command line, for verbs on files."""

from typing import Annotated

import typer

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.pipeline.operating import StateRule
from iot_edge_anomaly.pipeline.settings import DEFAULTS

NS = 1_000_000_000
SETTLE_SECONDS = DEFAULTS.settle_seconds or 0.0

StateSensor = Annotated[
    str | None,
    typer.Option("--state-sensor", help="The column that says, by a number, in which state the machine is."),
]
JudgedStates = Annotated[
    str | None,
    typer.Option("--judged-states", help="Learn and judge rows of these states only, such as 1,2; none: of all."),
]
SettleSeconds = Annotated[
    float,
    typer.Option(
        "--settle-seconds",
        min=0.0,
        max=1e9,
        help="For so many seconds after each change of the state nothing is judged.",
    ),
]


def declared(sensor: str | None, judged: str | None, settle_seconds: float) -> StateRule | None:
    """Return how states are told; None where no sensor is named. Raises ConfigError."""
    if not sensor:
        if judged is not None:
            raise ConfigError("--judged-states says nothing without --state-sensor: which column tells the state?")
        return None
    return StateRule(sensor, _states(judged), round(settle_seconds * NS))


def _states(judged: str | None) -> tuple[float, ...]:
    """Read states.

    >>> _states("1, 2.5")
    (1.0, 2.5)
    """
    try:
        return () if judged is None else tuple(float(state) for state in judged.split(","))
    except ValueError as error:
        raise ConfigError(f"--judged-states {judged}: write the numbers of the states, such as 1,2") from error
