"""How the operating states of a machine are declared on the command line, for verbs on files."""

from collections.abc import Sequence
from typing import Annotated

import typer

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.local_time import UTC, zone_of
from iot_edge_anomaly.pipeline.operating import StateRule
from iot_edge_anomaly.pipeline.settings import DEFAULTS
from iot_edge_anomaly.pipeline.shifts import SHIFT, Shifts, check

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
Shift = Annotated[
    list[str] | None,
    typer.Option(
        "--shift",
        metavar="TEXT",
        help='A shift, such as "mon-fri 06:00-14:00"; several tell the state in place of a column, the first is 1.',
    ),
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


def declared(
    sensor: str | None,
    judged: str | None,
    settle_seconds: float,
    shifts: Sequence[str] | None = None,
    zone: str | None = None,
) -> StateRule | None:
    """Return how states are told; None where no sensor is named, and no shift. Raises ConfigError."""
    if sensor and shifts:
        raise ConfigError("--state-sensor and --shift say the same thing in two ways: give one of them")
    if shifts:
        check(tuple(shifts))
        calendar = Shifts(tuple(shifts), zone_of(zone or UTC).key)
        return StateRule(SHIFT, _states(judged), round(settle_seconds * NS), calendar)
    if not sensor:
        if judged is not None:
            raise ConfigError("--judged-states says nothing without --state-sensor or --shift: what tells the state?")
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
