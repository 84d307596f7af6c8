"""Whatever happens between looks, nothing is swept that is named or will be; what nobody names goes in the end."""

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.bus.blobs import NAME_WITHIN_SECONDS
from iot_edge_anomaly.bus.sweep import NOTHING, Look, Sweep, after

SOON, LATE = NAME_WITHIN_SECONDS - 1, NAME_WITHIN_SECONDS


def look(at: float, *unnamed: str, end: int = 5, known: int = 5, blobs_end: int = 9) -> Look:
    return Look(blobs_end, at, {0: end}, frozenset(unnamed), {0: known})


FIRST, SECOND = look(0, "a", "b", blobs_end=7), look(LATE, "a", "b", end=6)


@pytest.mark.parametrize(
    ("looks", "now", "kept", "sweep"),
    [
        ((), FIRST, (FIRST,), NOTHING),
        ((FIRST,), look(SOON, "a"), (FIRST,), NOTHING),
        ((FIRST,), SECOND, (FIRST, SECOND), NOTHING),
        ((FIRST, SECOND), look(LATE + 1, "a", known=5), (FIRST, SECOND), NOTHING),
        ((FIRST, SECOND), Look(9, LATE + 1, {}, frozenset("a"), {}), (FIRST, SECOND), NOTHING),
        ((FIRST, SECOND), look(LATE + 1, "a", "c", known=6), (SECOND,), Sweep(frozenset("a"), 7)),
        (
            (FIRST, SECOND),
            look(2 * LATE, "a", known=6),
            (SECOND, look(2 * LATE, "a", known=6)),
            Sweep(frozenset("a"), 7),
        ),
    ],
)
def test_each_line_of_the_table(looks: tuple[Look, ...], now: Look, kept: tuple[Look, ...], sweep: Sweep) -> None:
    assert after(looks, now) == (kept, sweep)


@dataclass
class Store:
    """A store in small: blobs with the sequence they lie at, what a checkpoint names, input that names models."""

    now: float = 0.0
    end: int = 0
    blobs: dict[str, int] = field(default_factory=dict)
    to_be_named: list[tuple[float, str, str]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    input: list[str] = field(default_factory=list)
    position: int = 0
    capsules: set[str] = field(default_factory=set)
    reads: int = 0
    looks: tuple[Look, ...] = ()
    swept: set[str] = field(default_factory=set)

    def put(self, name: str, to_be: str) -> None:
        self.end += 1
        self.blobs[name] = self.end
        self.to_be_named.append((self.now, name, to_be))

    def name(self, number: int) -> None:
        """Name the oldest, or another, of those that wait for it."""
        if self.to_be_named:
            _, name, to_be = self.to_be_named.pop(number % len(self.to_be_named))
            if to_be == "model":
                self.input.append(name)
            elif to_be == "state":
                self.states = [*self.states[-1:], name]
            else:
                self.capsules.add(name)

    def in_time(self) -> None:
        """Whoever put a blob names it in time."""
        while any(self.now - at > NAME_WITHIN_SECONDS for at, _, _ in self.to_be_named):
            self.name(0)

    def work(self, count: int) -> None:
        """Go through input: an activated model is used from then on, by the checkpoint that covers it."""
        for name in self.input[self.position : self.position + count]:
            self.position += 1
            assert name in self.blobs, f"{name} is activated and gone"
            self.models = [*self.models[-1:], name]

    def named(self) -> set[str]:
        return {*self.states, *self.models, *self.capsules}

    def look(self) -> None:
        read = min(self.position + self.reads, len(self.input))
        named = self.named() | set(self.input[self.position : read])
        seen = Look(self.end, self.now, {0: len(self.input)}, frozenset(self.blobs.keys() - named), {0: read})
        self.looks, sweep = after(self.looks, seen)
        for name in sweep.digests:
            if self.blobs.get(name, sweep.up_to_seq + 1) <= sweep.up_to_seq:
                del self.blobs[name]
                self.swept.add(name)

    def check(self) -> None:
        assert self.named() <= self.blobs.keys()
        assert {name for _, name, _ in self.to_be_named} <= self.blobs.keys()


names = st.sampled_from(["a", "b"])
kinds = st.sampled_from(["model", "state", "capsule"])
acts = st.one_of(
    st.tuples(st.just("put"), names, kinds),
    st.tuples(st.just("name"), st.integers(0, 3)),
    st.tuples(st.just("forget capsule"), names),
    st.tuples(st.just("work"), st.integers(1, 3)),
    st.tuples(st.just("look"), st.sampled_from([1.0, NAME_WITHIN_SECONDS / 2, NAME_WITHIN_SECONDS])),
    st.tuples(st.just("look"), st.just(NAME_WITHIN_SECONDS)),
)


def play(store: Store, act: tuple[object, ...]) -> None:
    match act:
        case ("put", str(name), str(to_be)):
            store.put(f"{name}-{to_be}", to_be)
        case ("name", int(number)):
            store.name(number)
        case ("forget capsule", str(name)):
            store.capsules.discard(f"{name}-capsule")
        case ("work", int(count)):
            store.work(count)
        case ("look", float(waited)):
            store.now += waited
            store.in_time()
            store.look()


LONG = ("look", NAME_WITHIN_SECONDS)
PUT_AGAIN = [("put", "a", "capsule"), ("name", 0), ("forget capsule", "a"), LONG, LONG, ("put", "a", "capsule")]


@settings(max_examples=500, deadline=None)
@example([*PUT_AGAIN, ("look", 1.0)], 0)
@given(st.lists(acts, max_size=30), st.sampled_from([0, 1, 9]))
def test_nothing_is_swept_that_is_named_or_will_be(history: list[tuple[object, ...]], reads: int) -> None:
    """`reads`: how much of the input that no checkpoint covers the janitor reads."""
    store = Store(reads=reads)
    for act in history:
        play(store, act)
        store.check()
    for _ in range(len(store.to_be_named)):
        store.name(0)
    store.work(len(store.input))
    store.check()


@settings(max_examples=100, deadline=None)
@given(st.lists(acts, max_size=40))
def test_what_nobody_names_goes_in_the_end(history: list[tuple[object, ...]]) -> None:
    store = Store()
    store.end, store.blobs = 1, {"orphan": 1}
    for act in history:
        play(store, act)
    for _ in range(4):
        store.now += NAME_WITHIN_SECONDS
        store.in_time()
        store.work(len(store.input))
        store.look()
    assert store.swept >= {"orphan"}
    assert set(store.blobs) == store.named()
