"""Keys that were meant to be one of ours: `timestmap`, `vaule`, `sequnce`, `ts`. Pure.

An object may name its sensors as it likes, so an unknown key is no mistake as such. One that is nearly a key of ours,
where ours is missing, is: taken for a sensor it would teach a model nonsense, ignored it would cost the reading its
time or its number. `valve` is no misspelt `value`: in short words a letter may be missing, doubled or swapped with the
next, not replaced.
"""

from functools import lru_cache

from iot_edge_anomaly.connectors.times import EARLIEST_NS, time_ns
from iot_edge_anomaly.core.errors import RejectedError

TIMES = ("time", "timestamp")
_ALSO_TIMES = frozenset(("ts", "t", "date", "datetime", "epoch", "utc", "eventtime", "timems", "timens", "unixtime"))
_LATEST_NS = 4_102_444_800 * 10**9
"""The year 2100."""

_LONG = 6
_MOST_LETTERS = 24


def meant(name: str, known: tuple[str, ...]) -> str | None:
    """Return which of the known keys a name that is none of them was meant to be; None where it is no mistake.

    >>> meant("timestmap", TIMES), meant("Value", ("value",)), meant("valve", ("value",))
    ('timestamp', 'value', None)
    """
    return None if name in known or len(name) > _MOST_LETTERS else _nearest(name, known)


def time_meant(row: dict[object, object]) -> str | None:
    """Return the key of a row without a time under which one stands: named nearly so, and a moment since 2000.

    >>> time_meant({"ts": 1_795_500_000, "flow": 1.5}), time_meant({"timer": 12.5})
    ('ts', None)
    """
    return next((name for name, value in row.items() if isinstance(name, str) and _is_a_time(name, value)), None)


def is_meant_for(document: dict[str, object], known: tuple[str, ...]) -> bool:
    """Tell whether every key is a known one, as it is or misspelt, and none comes twice."""
    found = set()
    for name in document:
        right = name if name in known else isinstance(name, str) and meant(name, known)
        if not right or right in found:
            return False
        found.add(right)
    return True


def refuse_misspelt(document: dict[str, object], known: tuple[str, ...]) -> None:
    """Raises RejectedError for a key that was meant to be a known one which is not there."""
    for name in document:
        right = meant(name, known) if isinstance(name, str) else None
        if right is not None and right not in document:
            raise RejectedError(f"{name!r} is no key of a payload; did you mean {right!r}?")


def _is_a_time(name: str, value: object) -> bool:
    if not isinstance(value, int | float | str) or not _is_named_like_a_time(name):
        return False
    try:
        return EARLIEST_NS <= time_ns(value) <= _LATEST_NS
    except RejectedError:
        return False


def _is_named_like_a_time(name: str) -> bool:
    return len(name) <= _MOST_LETTERS and (_folded(name) in _ALSO_TIMES or _nearest(name, TIMES) is not None)


@lru_cache(maxsize=16_384)
def _nearest(name: str, known: tuple[str, ...]) -> str | None:
    folded = _folded(name)
    return next((key for key in known if _is_nearly(folded, key)), None)


@lru_cache(maxsize=16_384)
def _folded(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _is_nearly(name: str, key: str) -> bool:
    if name == key:
        return True
    if abs(len(name) - len(key)) > 2:
        return False
    return _distance(name, key) <= 2 if len(key) >= _LONG else name in _one_slip(key)


@lru_cache(maxsize=64)
def _one_slip(key: str) -> frozenset[str]:
    """Return the word with a letter missing, doubled, added at its end, or swapped with the next."""
    places = range(len(key))
    missing = {key[:at] + key[at + 1 :] for at in places}
    doubled = {key[:at] + key[at] + key[at:] for at in places}
    swapped = {key[:at] + key[at + 1] + key[at] + key[at + 2 :] for at in places[:-1]}
    return frozenset({*missing, *doubled, *swapped, f"{key}s"})


def _distance(one: str, other: str) -> int:
    """Return how many letters to add, drop, replace or swap with the next (optimal string alignment)."""
    before: list[int] = []
    last, row = before, list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        before, last, row = last, row, [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
    return row[-1]
