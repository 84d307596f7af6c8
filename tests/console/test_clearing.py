"""Pages that were left are freed, and nobody looks for garbage where none can be."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from iot_edge_anomaly.console.clearing import Clearing


class Element:
    """Points at itself, as elements of a page do by way of their parents."""

    def __init__(self) -> None:
        self.parent = self


@pytest.fixture(autouse=True)
def _only_when_asked() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_a_page_that_was_left_is_freed() -> None:
    clearing, page = Clearing(), weakref.ref(Element())
    assert page() is not None
    clearing.page_left()
    clearing.clear()
    assert page() is None


def test_nothing_is_looked_for_until_the_next_page_is_left() -> None:
    clearing = Clearing()
    clearing.page_left()
    clearing.clear()
    page = weakref.ref(Element())
    clearing.clear()
    assert page() is not None
