"""An asset that follows the clock: a first model soon, and one that knows the season once that can be told."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clock_plant import (  # type: ignore[import-not-found]
    DAY_ROWS,
    MONDAY,
    NS,
    PLAIN,
    STEP_NS,
    LiveClockPlant,
    load,
    plant,
    rows,
    times,
)
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.messages import Item, NewNormal
from iot_edge_anomaly.core.outcomes import FitRequest
from iot_edge_anomaly.detection.inside import season_of
from iot_edge_anomaly.detection.season import DAY, WEEK, SeasonRule
from iot_edge_anomaly.pipeline import learning
from iot_edge_anomaly.pipeline.profile import profile_of
from iot_edge_anomaly.pipeline.settings import AssetRule, SensorSettings, contradictions, pack_rules, unpack_rules
from iot_edge_anomaly.pipeline.state import Asset
from iot_edge_anomaly.registry.artefact import unpack
from state_pump import KEY  # type: ignore[import-not-found]

BY_DAY = msgspec.structs.replace(PLAIN, season=DAY)
DAY_NS = DAY_ROWS * STEP_NS
ROWS = plant(6, sundays=False)


def whys(live: LiveClockPlant) -> list[str]:
    return [request.why for request in live.requests]


def span_ns(request: FitRequest) -> int:
    return request.spans[-1][1] - request.spans[0][0]


@pytest.fixture(scope="module")
def live() -> LiveClockPlant:
    plant = LiveClockPlant(BY_DAY)
    plant.send(ROWS)
    return plant


def test_the_first_model_comes_as_soon_as_ever_and_the_season_when_it_can_be_told(live: LiveClockPlant) -> None:
    first, season = live.requests
    assert (first.why, first.season) == ("first model", "")
    assert (season.why, season.season, season.time_zone) == ("season", "day", "UTC")
    assert season.last_seq >= first.last_seq
    assert span_ns(season) == 2 * DAY_NS
    assert [season_of(unpack(model)) for model in live.artefacts] == [None, SeasonRule(DAY)]


def test_healthy_days_raise_nothing_once_the_season_is_known(live: LiveClockPlant) -> None:
    since = MONDAY + 4 * DAY_NS
    assert not [event for event in live.events if event.event == "raise" and event.time_ns > since]


def test_a_night_like_a_day_is_an_alarm_that_says_at_which_time() -> None:
    at = times(7)
    busy = load(at, sundays=False)
    night = slice(6 * DAY_ROWS, 6 * DAY_ROWS + 42)
    busy[night] = 1.0
    raised = {}
    for length in ("", DAY):
        live = LiveClockPlant(msgspec.structs.replace(PLAIN, season=length))
        live.send(rows(at, busy))
        begin = int(at[night.start])
        raised[length] = [one for one in live.events if one.event == "raise" and one.time_ns >= begin]
        stands = [one for one in live.score[night.start + 6 : night.stop - 1] if one > 1]
        assert (len(stands) > 30) == (length == DAY)
    (alarm,) = raised[DAY][:1]
    assert "at this time of the day" in alarm.reason
    assert alarm.contributors[0].expected < 0.9 * alarm.contributors[0].actual


@settings(max_examples=8, deadline=None)
@given(rows_a_step=st.integers(1, 400), reload=st.booleans())
def test_cuts_and_restarts_change_nothing(live: LiveClockPlant, rows_a_step: int, reload: bool) -> None:
    other = LiveClockPlant(BY_DAY, rows_a_step=rows_a_step, reload=reload)
    # models come into use between two steps, so only what is asked for is the same, and what follows from it
    other.send(ROWS[: 5 * DAY_ROWS])
    assert [(one.why, one.spans) for one in other.requests[:1]] == [(one.why, one.spans) for one in live.requests[:1]]
    assert [span_ns(one) for one in other.requests[1:]] == [2 * DAY_NS]


def test_a_season_that_comes_later_keeps_the_model_there_is_until_it_is_learned() -> None:
    live = LiveClockPlant(PLAIN)
    live.send(ROWS[:300])
    assert whys(live) == ["first model"]
    live.configure(BY_DAY)
    live.send(ROWS[300:500])
    assert whys(live) == ["first model"]
    assert live.outcomes[-1].rows is None or live.outcomes[-1].rows.phase == "calibrated"
    live.send(ROWS[500:700])
    assert whys(live) == ["first model", "season"]
    live.configure(msgspec.structs.replace(BY_DAY, time_zone="Asia/Tokyo"))
    live.send(plant(3, 700 / DAY_ROWS, sundays=False))
    assert [request.time_zone for request in live.requests] == ["UTC", "UTC", "Asia/Tokyo"]


def test_a_season_that_is_taken_back_is_unlearned() -> None:
    live = LiveClockPlant(BY_DAY)
    live.send(ROWS[:500])
    assert season_of(unpack(live.artefacts[-1])) is not None
    live.configure(PLAIN)
    live.send(ROWS[500:700])
    assert season_of(unpack(live.artefacts[-1])) is None
    assert whys(live)[-1] == "no season any more"


def test_the_same_settings_again_ask_for_nothing() -> None:
    live = LiveClockPlant(BY_DAY)
    live.send(ROWS[:500])
    live.configure(BY_DAY)
    live.send(ROWS[500:])
    assert whys(live) == ["first model", "season"]


def test_a_new_normal_is_learned_first_without_a_season_and_then_with_it() -> None:
    live = LiveClockPlant(BY_DAY)
    live.send(ROWS[:500])
    said: list[Item] = [NewNormal(KEY.tenant, KEY.asset, MONDAY + 500 * STEP_NS, "ann")]
    live.step(said)
    live.send(plant(4, 500 / DAY_ROWS, sundays=False))
    assert whys(live) == ["first model", "season", "new normal", "season"]


def test_a_sensor_that_appears_while_the_season_is_awaited_does_not_wait_for_it() -> None:
    live = LiveClockPlant(BY_DAY)
    live.send(ROWS[:200])
    values = ROWS[200:]
    for begin in range(0, len(values), 25):
        live.step([live._batch(line, {"speed": line[0] * 1500.0}) for line in values[begin : begin + 25].tolist()])
    assert whys(live) == ["first model", "new sensor", "season"]
    assert "speed" in unpack(live.artefacts[1]).sensors


def test_rows_that_are_not_calm_do_not_shorten_what_is_watched() -> None:
    """The first and the last row that may be learned from are as far apart as it takes, whatever lies between."""
    values = plant(6, sundays=False)
    values[200:260, 1] += 160.0
    live = LiveClockPlant(msgspec.structs.replace(BY_DAY, sensors={"flow": SensorSettings(high_limit=150.0)}))
    live.send(values)
    season = live.requests[-1]
    assert season.why == "season"
    assert span_ns(season) == 2 * DAY_NS
    learned = np.zeros(len(values), bool)
    for start, end in season.spans:
        learned[(start - MONDAY) // STEP_NS : (end - MONDAY) // STEP_NS + 1] = True
    assert not learned[200:260].any()


@pytest.mark.parametrize("begin", [43, 50, 60])
def test_before_the_season_is_known_no_score_pages_and_nights_are_learned_as_well(begin: int) -> None:
    """A model of a morning finds each night odd: that must neither be an alarm nor keep nights from being learned."""
    live = LiveClockPlant(msgspec.structs.replace(BY_DAY, learn_rows=60))
    live.sent = begin
    at = MONDAY + (np.arange(8 * DAY_ROWS) + begin) * STEP_NS
    live.send(rows(at, load(at, sundays=False)))
    assert whys(live) == ["first model", "season"]
    season = live.requests[1]
    assert sum(end - start for start, end in season.spans) > 0.95 * 2 * DAY_NS
    assert live.raised == []
    assert (live.score[-3 * DAY_ROWS :] > 1).mean() < 0.01


def test_one_that_knows_its_season_keeps_it_while_a_new_sensor_is_learned() -> None:
    live = LiveClockPlant(BY_DAY)
    live.send(ROWS[:500])
    begin = live.sent
    values = plant(4, begin / DAY_ROWS, sundays=False)
    for first in range(0, len(values), 25):
        live.step([live._batch(line, {"speed": line[0] * 1500.0}) for line in values[first : first + 25].tolist()])
    assert whys(live) == ["first model", "season", "new sensor"]
    assert live.requests[-1].season == "day"
    assert season_of(unpack(live.artefacts[-1])) == SeasonRule(DAY)
    assert "speed" in unpack(live.artefacts[-1]).sensors


def test_many_short_runs_still_reach_from_end_to_end() -> None:
    """Where something breaks in every other row, the first and the last run are kept, and the shortest within go."""
    asset = Asset(KEY, profile_of(KEY, (AssetRule("*", BY_DAY),), ""))
    learning.begin(asset, 1, learning.SEASON)
    at = times(3)
    may_learn = np.arange(len(at)) % 2 == 0
    asked = [
        learning.learn(asset, at[row : row + 1], may_learn[row : row + 1], np.full(1, np.nan), row)
        for row in range(len(at))
    ]
    (request,) = [one for one in asked if one is not None]
    assert span_ns(request) == 2 * DAY_NS
    assert len(request.spans) <= learning.MOST_SPANS + 1


def test_what_stands_still_for_longer_than_a_day_is_not_given_up_while_a_week_is_learned() -> None:
    asset = Asset(KEY, profile_of(KEY, (AssetRule("*", msgspec.structs.replace(PLAIN, season=WEEK)),), ""))
    asset.add_sensors(["flow"])
    asset.channels.heard_ns[:] = MONDAY
    for why, is_given_up in ((learning.SEASON, False), (learning.FIRST_MODEL, True)):
        learning.begin(asset, 1, why)
        assert learning.is_abandoned(asset, MONDAY + 3 * DAY_NS) == is_given_up


def test_a_method_that_learns_no_seasons_gathers_none_and_one_rule_that_says_so_is_a_mistake() -> None:
    odd = msgspec.structs.replace(BY_DAY, detector="coldstart")
    assert [key for key, _ in contradictions(odd)] == ["season"]
    assert profile_of(KEY, (AssetRule("*", odd),), "").season is None
    assert profile_of(KEY, (AssetRule("*", BY_DAY),), "").season == SeasonRule(DAY)


@pytest.mark.parametrize(("said", "problem"), [({"season": "year"}, "season"), ({"time_zone": "Mars"}, "Mars")])
def test_what_is_no_season_is_refused(said: dict[str, str], problem: str) -> None:
    packed = msgspec.json.encode([{"match": "*", "settings": said}])
    with pytest.raises(ConfigError, match=problem):
        unpack_rules(packed)


def test_rules_come_back_as_they_were_written() -> None:
    rules = (AssetRule("*", msgspec.structs.replace(PLAIN, season=WEEK, time_zone="Europe/Berlin")),)
    assert unpack_rules(pack_rules(rules)) == rules
    assert NS * 600 == STEP_NS
