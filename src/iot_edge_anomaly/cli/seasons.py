"""How a machine that follows the clock is declared on the command line, for verbs on files."""

from enum import StrEnum
from typing import Annotated

import typer

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.local_time import zone_of
from iot_edge_anomaly.detection.season import DAY, WEEK, SeasonRule


class Length(StrEnum):
    """What comes back."""

    DAY = DAY
    WEEK = WEEK


Season = Annotated[
    Length | None,
    typer.Option("--season", help="What is usual depends on the time of the day, or of the week; none: on no clock."),
]
TimeZone = Annotated[
    str | None,
    typer.Option("--time-zone", metavar="NAME", help="By the clocks of which time zone, such as Europe/Berlin; UTC."),
]


def followed(season: Length | None, zone: str | None, *, has_shifts: bool = False) -> SeasonRule | None:
    """Return which clock is followed; None: none. Raises ConfigError."""
    if season is None:
        if zone is not None and not has_shifts:
            raise ConfigError("--time-zone says nothing without --season or --shift: what goes by its clocks?")
        return None
    return SeasonRule(season.value) if zone is None else SeasonRule(season.value, zone_of(zone).key)
