"""What a person should know of the rows that a model was learned from: what stands out, who taught nothing. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.strays import strays

NS = 1_000_000_000
MOST_NAMED = 3
"""So many sensors, or stretches of time, are named; of more it is said how many they are."""


def remarks(
    time_ns: NDArray[np.int64], rows: Matrix, sensors: Sequence[str], errors: Matrix, state_sensor: str = ""
) -> str:
    """Say in a few words what is odd about rows (n, k) to learn from; nothing where nothing is.

    `errors` (m, k) of the newest m of them: how far values were from what a model expected that had not learned from
    them (`training.held_out`). Of the sensor that tells the operating state nothing is learned, so nothing is said.
    """
    known = np.isfinite(rows)
    speaks: NDArray[np.bool_] = np.any(known, axis=0)
    low = np.where(known, rows, np.inf).min(axis=0)
    moves = np.where(known, rows, -np.inf).max(axis=0) > low
    parts = [_standing_out(time_ns[len(time_ns) - len(errors) :], errors)]
    teaches = np.array([sensor != state_sensor for sensor in sensors], bool)
    parts.append(_named(sensors, teaches & ~speaks, "said nothing"))
    parts.append(_named(sensors, teaches & speaks & ~moves, "never moved"))
    return "; ".join(part for part in parts if part)


def oddness(errors: Matrix) -> NDArray[np.float64]:
    """Return how odd each row (n,) is: the mean over sensors, each in units of its usual error; 0: nobody tells."""
    told = np.isfinite(errors)
    usual = np.where(told, errors, 0.0).sum(axis=0) / np.maximum(told.sum(axis=0), 1)
    relative = np.where(told, errors, 0.0) / np.where(usual > 0, usual, 1.0)
    return np.asarray(relative.sum(axis=1) / np.maximum(told.sum(axis=1), 1), np.float64)


def _standing_out(time_ns: NDArray[np.int64], errors: Matrix) -> str:
    if not np.isfinite(errors).any():
        return ""
    far = strays(oddness(errors))
    if not far.any():
        return ""
    edges = np.flatnonzero(np.diff(far, prepend=False, append=False))
    spans = [(int(time_ns[first]), int(time_ns[stop - 1])) for first, stop in zip(edges[::2], edges[1::2], strict=True)]
    when = ", ".join(_span(*span) for span in spans[:MOST_NAMED])
    more = f" and {len(spans) - MOST_NAMED} times more" if len(spans) > MOST_NAMED else ""
    share = far.mean()
    return (
        f"{far.sum():,} rows stand out ({share:.1%}), {when}{more}: "
        "if something was wrong then, have the asset learned anew"
    )


def _span(first_ns: int, last_ns: int) -> str:
    """Write from when to when, UTC.

    >>> _span(1_700_000_000 * NS, 1_700_000_042 * NS)
    '2023-11-14 22:13:20 to 22:14:02'
    """
    first, last = (datetime.fromtimestamp(at_ns // NS, UTC) for at_ns in (first_ns, last_ns))
    end = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    return f"{first:%Y-%m-%d %H:%M:%S} to {end}"


def _named(sensors: Sequence[str], chosen: NDArray[np.bool_], what: str) -> str:
    names = [sensor for sensor, is_one in zip(sensors, chosen, strict=True) if is_one]
    if not names:
        return ""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more} {what}"
