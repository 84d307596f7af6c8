"""Cut what comes out of the feed into what is handed to a sink at once. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.sinks.places import Place, place_of


class Part(NamedTuple):
    """What is handed in at once, maybe nothing, and the place that is reached then."""

    postings: tuple[Posting, ...]
    place: Place


def parts(postings: Sequence[Posting], wants: Callable[[Posting], bool], most: int) -> Iterator[Part]:
    """Yield what is wanted in order, at most so many at once; what nobody wants is passed over with it."""
    wanted: list[Posting] = []
    for posting in postings:
        if wants(posting):
            wanted.append(posting)
        if len(wanted) == most:
            yield Part(tuple(wanted), place_of(posting))
            wanted = []
    if postings and (wanted or not wants(postings[-1])):
        yield Part(tuple(wanted), place_of(postings[-1]))
