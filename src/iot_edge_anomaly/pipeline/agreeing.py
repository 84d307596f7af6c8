"""Sensors of an asset that read one quantity become one more sensor, and people are told who of them is not believed.

What is remembered of each is checkpointed with the asset. The trainer reads the same rows by the same code, and begins
with whole trust in everybody: where somebody had lost its vote before, rows may read otherwise until it has it again.
"""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.outcomes import Notice
from iot_edge_anomaly.fusion.redundant import Choice, Read, Trust, read_as_one

LASTING_ROWS = 10
"""A conflict is told of once it has lasted for so many rows, and is over after as many without."""

NOBODY = Trust()


class Fusion(NamedTuple):
    """What is read as one: the sensor it becomes and its column, its members and theirs, the preferred one first."""

    sensor: str
    column: int
    members: tuple[str, ...]
    columns: tuple[int, ...]
    choice: Choice
    tolerance: float


class Fusing(msgspec.Struct, array_like=True):
    """What is remembered of one fusion: its members, by name; of the conflict how many rows, and whether it was told.

    `run`: rows in a row that speak against what was told last. `rows`: of the conflict that was told.
    """

    trusts: dict[str, Trust] = {}
    run: int = 0
    rows: int = 0
    is_told: bool = False


def fuse_redundant(
    known: dict[str, Fusing], fusions: tuple[Fusion, ...], time_ns: NDArray[np.int64], raw: Matrix, values: Matrix
) -> list[Notice]:
    """Fill the columns of the fusions in `raw` and `values` (n, k), follow them in `known`; return what is to be said.

    A fused value was read in a row where one of its members was; else it is held as theirs are.
    """
    notices = list[Notice]()
    for fusion in fusions:
        fusing, columns = known.setdefault(fusion.sensor, Fusing()), list(fusion.columns)
        before = [fusing.trusts.get(member, NOBODY) for member in fusion.members]
        after, read = read_as_one(before, values[:, columns], fusion.choice, fusion.tolerance)
        values[:, fusion.column] = read.value
        raw[:, fusion.column] = np.where(np.isfinite(raw[:, columns]).any(axis=1), read.value, np.nan)
        fusing.trusts = dict(zip(fusion.members, after, strict=True))
        said = [*_votes(fusion, before, read, time_ns), *_conflicts(fusion, fusing, read, time_ns)]
        notices += sorted(said, key=lambda notice: notice.time_ns)
    return notices


def _votes(fusion: Fusion, before: list[Trust], read: Read, time_ns: NDArray[np.int64]) -> list[Notice]:
    """Tell of each member when it loses its vote, and when it has it again."""
    had = np.array([trust.has_vote for trust in before])
    changed = np.argwhere(np.diff(np.concatenate((had[None], read.has_vote)), axis=0))
    notices = []
    for row, number in changed.tolist():
        member = fusion.members[number]
        if read.has_vote[row, number]:
            kind, text = "sensor-trusted", f"{member} agrees again: it counts for {fusion.sensor}"
        else:
            text = (
                f"{member} is more than {fusion.tolerance:g} off what the others read: {fusion.sensor} goes without it"
            )
            kind = "sensor-distrusted"
        notices.append(Notice(kind, member, text, int(time_ns[row])))
    return notices


def _conflicts(fusion: Fusion, fusing: Fusing, read: Read, time_ns: NDArray[np.int64]) -> list[Notice]:
    """Tell of a conflict that lasts, and when it is over."""
    if not read.is_conflict.any() and not fusing.is_told and not fusing.run:
        return []
    notices = []
    for row, is_conflict in enumerate(read.is_conflict.tolist()):
        fusing.rows += is_conflict and fusing.is_told
        fusing.run = fusing.run + 1 if is_conflict != fusing.is_told else 0
        if fusing.run < LASTING_ROWS:
            continue
        fusing.is_told, fusing.run = is_conflict, 0
        if is_conflict:
            fusing.rows = LASTING_ROWS
            followed = fusion.members[int(np.flatnonzero(read.follows[row])[0])]
            text = (
                f"what {fusion.sensor} is made of disagrees by more than {fusion.tolerance:g}: {followed} is followed"
            )
            notices.append(Notice("sensors-disagree", fusion.sensor, text, int(time_ns[row])))
        else:
            text = f"what {fusion.sensor} is made of agrees again, after {fusing.rows} rows of conflict"
            notices.append(Notice("sensors-agree", fusion.sensor, text, int(time_ns[row])))
    return notices
