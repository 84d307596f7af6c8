"""The states assets are in, each with its number: a person chooses one to see those alone."""

from collections.abc import Callable, Sequence

from iot_edge_anomaly.console.assets.search import AssetSearch, assets_address, count_states
from iot_edge_anomaly.console.assets.tree import FOLLOW
from iot_edge_anomaly.console.board import Line
from iot_edge_anomaly.console.elements import box, set_prop, show, text
from iot_edge_anomaly.console.words import CONDITION_WORDS, Condition

States = frozenset[Condition]


class AssetStates:
    """A link a state that an asset is in, and one for all of them."""

    def __init__(self, choose: Callable[[States], None]) -> None:
        self._choose = choose
        with box("states", "nav").props('aria-label="States"'):
            self._all = _State("All", lambda: choose(frozenset()))
            self._made = {condition: self._make(condition) for condition in Condition}

    def _make(self, condition: Condition) -> "_State":
        return _State(CONDITION_WORDS[condition], lambda: self._choose(frozenset({condition})))

    def update(self, lines: Sequence[Line], search: AssetSearch) -> None:
        """Count these assets, and mark the states that were asked for."""
        counts = count_states(lines)
        self._all.update(len(lines), search._replace(states=frozenset()), is_chosen=not search.states)
        for condition, state in self._made.items():
            is_chosen = condition in search.states
            state.update(counts[condition], search._replace(states=frozenset({condition})), is_chosen=is_chosen)
            show(state.link, is_chosen or counts[condition] > 0)


class _State:
    def __init__(self, title: str, choose: Callable[[], None]) -> None:
        with box("pill", "a").on("click", lambda _: choose(), js_handler=FOLLOW) as self.link:
            text("span", title)
            self._count = text("span", "", "number")

    def update(self, count: int, search: AssetSearch, *, is_chosen: bool) -> None:
        self._count.text = str(count)
        set_prop(self.link, "href", assets_address(search))
        set_prop(self.link, "aria-current", str(is_chosen).lower())
