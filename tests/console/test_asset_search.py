import pytest
from hypothesis import given
from hypothesis import strategies as st
from seeded_plant import OTHER, SeededPlant  # type: ignore[import-not-found]
from starlette.datastructures import QueryParams

from iot_edge_anomaly.console.assets.listing import row_html
from iot_edge_anomaly.console.assets.places import Place, is_below, places, worst_first
from iot_edge_anomaly.console.assets.search import AssetSearch, assets_address, at_place, in_state, search_of
from iot_edge_anomaly.console.board import KEPT_NS, Board, Line
from iot_edge_anomaly.console.words import Condition
from iot_edge_anomaly.core.clock import ManualClock
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Phase
from iot_edge_anomaly.pipeline.settings import DEFAULTS
from iot_edge_anomaly.security.principal import Permission, Principal, owner
from iot_edge_anomaly.views.plant import AssetView

GUEST = Principal("guest", frozenset({"demo"}), frozenset({Permission.READ}))
NAMES = st.lists(st.sampled_from("abc"), min_size=2, max_size=5).map("/".join)


def line(name: str, condition: Condition = Condition.NORMAL) -> Line:
    key = AssetKey(*name.split("/", 1))
    return Line(AssetView(key, Phase.CALIBRATED, 1.0, 0, 0.0), DEFAULTS, condition, None, condition)


def all_of(tree: tuple[Place, ...]) -> list[Place]:
    return [one for place in tree for one in (place, *all_of(place.below))]


@given(st.dictionaries(NAMES, st.sampled_from(Condition)))
def test_each_branch_tells_number_and_worst_of_what_is_below(assets: dict[str, Condition]) -> None:
    lines = [line(name, condition) for name, condition in assets.items()]
    found = all_of(places(lines))
    assert {place.path for place in found} == {name.rsplit("/", count)[0] for name in assets for count in (1, 2, 3, 4)}
    for place in found:
        below = [one for one in lines if is_below(one.asset.key, place.path) and str(one.asset.key) != place.path]
        assert place.assets == len(below)
        assert place.worst == min((one.condition for one in below), key=list(Condition).index)


@given(st.text(max_size=40), st.frozensets(st.sampled_from(Condition)), NAMES)
def test_an_address_leads_to_the_same_search(words: str, states: frozenset[Condition], under: str) -> None:
    search = AssetSearch(words.strip(), states, under)
    assert search_of(QueryParams(assets_address(search).partition("?")[2])) == search


@pytest.mark.parametrize("said", ["x" * 10_000, "alarm,,,", "<script>", "\x00"])
def test_an_address_may_say_anything(said: str) -> None:
    search = search_of({"words": said, "state": said, "under": said})
    assert in_state(at_place([line("a/b")], search), search) == []


def test_the_worst_come_first_then_the_names() -> None:
    lines = [line("t/b"), line("t/a"), line("t/z", Condition.ALARM), line("t/m", Condition.SILENT)]
    assert [str(one.asset.key) for one in worst_first(lines)] == ["t/z", "t/m", "t/a", "t/b"]


def test_what_is_said_of_an_asset_is_text_and_no_markup() -> None:
    html = row_html(AssetKey("t", "a/b"), Condition.ALARM, "<img src=x onerror=alert(1)>", 1.0)
    assert "<img" not in html
    assert "&lt;img" in html


def test_what_all_see_is_worked_out_once_and_nobody_sees_other_tenants() -> None:
    clock = ManualClock(10**18)
    board = Board(SeededPlant(clock), clock)
    worked: list[int] = []

    def count(lines: object) -> int:
        worked.append(len(lines))  # type: ignore[arg-type]
        return len(lines)  # type: ignore[arg-type]

    assert [board.shared(owner(), count) for _ in range(3)] == [8, 8, 8]
    assert [board.shared(GUEST, count) for _ in range(2)] == [7, 7]
    assert OTHER not in [one.asset.key for one in board.lines(GUEST)]
    assert worked == [8, 7]
    clock.advance(KEPT_NS)
    board.shared(owner(), count)
    assert worked == [8, 7, 8]
