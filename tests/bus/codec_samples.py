"""Messages of every kind: fixed ones for golden files, random ones for properties."""

import numpy as np
from hypothesis import strategies as st

from iot_edge_anomaly.core.messages import (
    Acknowledge,
    Batch,
    Feedback,
    FitFailed,
    Item,
    Maintenance,
    ModelActivated,
    NewNormal,
    Noted,
    PlantConfigured,
    SetAside,
    Shelve,
    SourceIdle,
    Tick,
)
from iot_edge_anomaly.core.outcomes import (
    ROW_QUALITIES,
    AlarmEvent,
    AlarmLevel,
    AlarmState,
    AssetOutcome,
    Commit,
    Contributor,
    FitRequest,
    Notice,
    Phase,
    Priority,
    Rows,
    SourceCount,
)

NOON = 1_763_985_600_000_000_000


def column(dtype: str, *values: float) -> bytes:
    return np.array(values, dtype).tobytes()


ENVELOPE: tuple[Item, ...] = (
    Batch(
        "acme",
        "site/Pumpe süd",
        "plc-7",
        3,
        42,
        NOON + 5,
        ("flow", "Öltemperatur"),
        column("<i8", NOON, NOON + 1, NOON + 2),
        column("<i8", 0, 1, 0),
        column("<f8", 12.5, float("nan"), -0.0),
        column("<i8", 192, 0, 64),
        (SetAside(3, "flow", "not a number", b'"abc"', 1),),
    ),
    Tick(NOON),
    SourceIdle("acme", "site/pump", "plc-7", NOON),
    ModelActivated("acme", "site/pump", "sha256:" + 64 * "a", NOON),
    FitFailed("acme", "site/pump", "too few rows", NOON),
    Acknowledge("acme", "site/pump", "alarm-1", NOON, "ann", "seen"),
    Shelve("acme", "site/pump", "score", NOON + 60, NOON, "ann", "noise"),
    Maintenance("acme", "site/pump", NOON + 60, NOON, "ann", "bearing"),
    Feedback("acme", "site/pump", "alarm-1", False, NOON, "ann", "valve was open"),
    NewNormal("acme", "site/pump", NOON, "ann"),
    PlantConfigured("v7", b"\x00rules\xff", NOON),
)

COMMIT = Commit(
    1,
    17,
    19,
    NOON,
    (
        AssetOutcome(
            "acme",
            "site/pump",
            Phase.CALIBRATED,
            1.0,
            (SourceCount("plc-7", 6, 3, 1, 1, 1, 0, 2),),
            Rows(
                ("flow", "power"),
                column("<i8", NOON, NOON + 1),
                column("<f8", 1.0, 2.0, float("nan"), 4.0),
                column("<f8", 0.25, 1.5),
                bytes([0, 2]),
                column("<f4", 1.0, 2.0, 3.0, 4.0),
                column("<f4", 0.125, 0.125, 1.0, 0.5),
                Phase.CALIBRATED,
                "sha256:" + 64 * "b",
            ),
            (
                AlarmEvent(
                    "alarm-1",
                    "incident-1",
                    "score",
                    "raise",
                    AlarmState.NORMAL,
                    AlarmState.UNACKNOWLEDGED,
                    NOON,
                    Priority.HIGH,
                    "flow 0.8 below what power predicts",
                    1.5,
                    1.0,
                    (Contributor("flow", 0.75, 1.0, 1.8, "m³/h"),),
                ),
            ),
            (Notice("gap", "", "2 batches are missing", NOON),),
            (("plc-7", SetAside(0, "flow", "infinite", b"1e999")),),
            FitRequest(1, 17, ((NOON, NOON + 9),), 1.0, "linear", "first"),
        ),
    ),
)

int64 = st.integers(-(2**63), 2**63 - 1)
names = st.text(max_size=20)
set_aside = st.builds(SetAside, st.integers(-1, 1000), names, names, st.binary(max_size=30), st.integers(1, 10))


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    sensors = tuple(draw(st.lists(names, max_size=4)))
    count = draw(st.integers(0, 8)) if sensors else 0
    return Batch(
        draw(names),
        draw(names),
        draw(names),
        draw(st.integers(0, 2**63 - 1)),
        draw(st.integers(-1, 2**63 - 1)),
        draw(int64),
        sensors,
        draw(st.binary(min_size=8 * count, max_size=8 * count)),
        column("<i8", *(draw(st.integers(0, len(sensors) - 1)) for _ in range(count))),
        draw(st.binary(min_size=8 * count, max_size=8 * count)),
        draw(st.one_of(st.just(b""), st.binary(min_size=8 * count, max_size=8 * count))),
        tuple(draw(st.lists(set_aside, max_size=2))),
    )


controls = st.one_of(
    st.builds(Tick, int64),
    st.builds(SourceIdle, names, names, names, int64),
    st.builds(ModelActivated, names, names, names, int64, names),
    st.builds(FitFailed, names, names, names, int64),
    st.builds(Acknowledge, names, names, names, int64, names, names),
    st.builds(Shelve, names, names, names, int64, int64, names, names),
    st.builds(Maintenance, names, names, int64, int64, names, names),
    st.builds(Feedback, names, names, names, st.booleans(), int64, names, names),
    st.builds(NewNormal, names, names, int64, names, names),
    st.builds(Noted, names, names, names, names, names, int64, names, names),
    st.builds(PlantConfigured, names, st.binary(max_size=50), int64),
)
items = st.lists(st.one_of(batches(), controls), max_size=5)


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    sensors = tuple(draw(st.lists(names, min_size=1, max_size=3)))
    count = draw(st.integers(0, 4))
    cells = count * len(sensors)
    wide, long, narrow = (st.binary(min_size=size, max_size=size) for size in (8 * cells, 8 * count, 4 * cells))
    return Rows(
        sensors,
        draw(long),
        draw(wide),
        draw(long),
        bytes(draw(st.lists(st.integers(0, len(ROW_QUALITIES) - 1), min_size=count, max_size=count))),
        draw(narrow),
        draw(narrow),
        draw(st.sampled_from(Phase)),
        draw(names),
    )


outcomes = st.builds(
    AssetOutcome,
    names,
    names,
    st.sampled_from(Phase),
    st.floats(0, 1),
    st.lists(st.builds(SourceCount, names, int64, int64), max_size=2).map(tuple),
    st.one_of(st.none(), rows()),
    notices=st.lists(st.builds(Notice, names, names, names, int64), max_size=2).map(tuple),
    alarm_level=st.one_of(st.none(), st.builds(AlarmLevel, st.floats(1, 3), st.integers(0, 99))),
)
commits = st.builds(
    Commit,
    st.integers(0, 255),
    st.integers(0, 2**63),
    st.integers(0, 2**63),
    int64,
    st.lists(outcomes, max_size=3).map(tuple),
)
