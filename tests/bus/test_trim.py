"""What one message led to fits into a message: rows go first, counts never."""

import msgspec
from codec_samples import COMMIT

from iot_edge_anomaly.bus.codec import decode_commit, encode_commit
from iot_edge_anomaly.bus.trim import trimmed
from iot_edge_anomaly.core.outcomes import Commit, Priority

WHOLE = encode_commit(COMMIT)
ASSET = next(asset for asset in COMMIT.assets if asset.rows is not None and asset.alarms)

BARE = msgspec.structs.replace(ASSET.alarms[0], contributors=())


def alarms(commit: Commit) -> int:
    return sum(len(asset.alarms) for asset in commit.assets)


def test_what_fits_stays_as_it_is() -> None:
    assert trimmed(COMMIT, len(WHOLE)) == WHOLE


def test_rows_go_before_anything_else_and_it_is_said() -> None:
    found = decode_commit(trimmed(COMMIT, len(WHOLE) - 1))
    assert alarms(found) == alarms(COMMIT)
    dropped = [asset for asset, whole in zip(found.assets, COMMIT.assets, strict=True) if asset.rows != whole.rows]
    assert [asset.notices[-1].kind for asset in dropped] == ["rows-dropped"]
    assert [asset.counts for asset in found.assets] == [asset.counts for asset in COMMIT.assets]


def test_alarms_lose_their_contributors_before_any_is_lost() -> None:
    one = msgspec.structs.replace(ASSET, alarms=ASSET.alarms * 50, rows=None, notices=(), set_aside=())
    commit = msgspec.structs.replace(COMMIT, assets=(one,))
    assert any(alarm.contributors for alarm in one.alarms)
    found = decode_commit(trimmed(commit, len(encode_commit(commit)) - 1))
    assert alarms(found) == alarms(commit)
    assert not any(alarm.contributors for alarm in found.assets[0].alarms)


def test_a_flood_of_alarms_fits_too_and_the_urgent_ones_stay_longest() -> None:
    def flood(priority: Priority) -> tuple[object, ...]:
        return tuple(
            msgspec.structs.replace(BARE, alarm_id=f"A{priority}{number}", priority=priority) for number in range(300)
        )

    events = flood(Priority.LOW) + flood(Priority.MEDIUM) + flood(Priority.HIGH)
    one = msgspec.structs.replace(ASSET, alarms=events, rows=None)  # type: ignore[arg-type]
    commit = msgspec.structs.replace(COMMIT, assets=(one,))
    size = len(encode_commit(commit))
    for share, kinds in ((0.75, {Priority.MEDIUM, Priority.HIGH}), (0.4, {Priority.HIGH})):
        data = trimmed(commit, int(share * size))
        assert len(data) <= share * size
        (found,) = decode_commit(data).assets
        assert {alarm.priority for alarm in found.alarms} == kinds, share
        assert found.counts == one.counts
    (found,) = decode_commit(trimmed(commit, 2_000)).assets
    assert not found.alarms
    assert [notice.kind for notice in found.notices[-3:]] == ["alarms-dropped"] * 3
