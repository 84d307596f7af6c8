"""Which blobs nothing needs any more: decided from three looks at what is there and what is named.

Why nothing is swept that is needed. A blob goes if three looks saw it and no name of it, the second
NAME_WITHIN_SECONDS or more after the first, and if at the third all names are known in the input that was there at the
second; and only what was stored before the first. (1) Put before the first look, it was named in that time, hence
before the second: by a manifest or the key of a capsule or of a page, then the third sees the name, or it was taken
back; or by a ModelActivated, then either the third look has read that, or the kept checkpoints cover it, and they name
the model if anything still uses it. (2) Put again after the first look, it lies above the sequence up to which is
deleted, and stays. (3) What is named without being put, an unchanged state, was named by the manifest before, at every
look.

| looks kept | a new look | do | looks kept then |
|---|---|---|---|
| none | | | it |
| first | sooner than NAME_WITHIN_SECONDS | | first |
| first | later | | first, it |
| first, second | not all names in the input of the second are known | | first, second |
| first, second | all are known | sweep | second, it (as above) |
"""

from collections.abc import Mapping
from typing import NamedTuple

from iot_edge_anomaly.bus.blobs import NAME_WITHIN_SECONDS


class Look(NamedTuple):
    """What was seen, in this order: the end of BLOBS, one's own time, the ends of input, the blobs, the names.

    `known` is up to where the names in the input of each partition are known: its oldest kept checkpoint covers that,
    or it was read.
    """

    blobs_end: int
    at: float
    ends: Mapping[int, int]
    unnamed: frozenset[str]
    known: Mapping[int, int]


class Sweep(NamedTuple):
    """What may go: of these digests, what was stored up to and with a sequence of BLOBS."""

    digests: frozenset[str]
    up_to_seq: int


NOTHING = Sweep(frozenset(), 0)


def after(looks: tuple[Look, ...], now: Look) -> tuple[tuple[Look, ...], Sweep]:
    """Take a new look in; return the looks to keep, and what may go at once."""
    if not looks:
        return (now,), NOTHING
    first, second = looks[0], looks[-1]
    if len(looks) == 1:
        return ((first, now) if now.at - first.at >= NAME_WITHIN_SECONDS else looks), NOTHING
    if any(now.known.get(partition, 0) < end for partition, end in second.ends.items()):
        return looks, NOTHING
    kept, _ = after((second,), now)
    return kept, Sweep(first.unnamed & second.unnamed & now.unnamed, first.blobs_end)
