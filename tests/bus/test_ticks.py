"""When a source counts as gone quiet: only one that cells wait for, once, and also after a restart."""

from iot_edge_anomaly.bus.ticks import Quiet
from iot_edge_anomaly.core.messages import Envelope, SourceIdle, batch_of
from iot_edge_anomaly.core.names import AssetKey

PLC = ("acme", "pump", "plc")
DCS = ("acme", "pump", "dcs")


class Monotonic:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def heard(source: str) -> list[Envelope]:
    return [Envelope((batch_of(AssetKey("acme", "pump"), source, [(1, "flow", 1.0)], received_ns=1),), 1)]


def test_a_source_that_sends_is_not_quiet_and_one_that_stopped_is_said_once() -> None:
    clock = Monotonic()
    quiet = Quiet(10.0, clock)
    quiet.observe(heard("plc"))
    quiet.observe(heard("dcs"))
    clock.now += 8
    quiet.observe(heard("plc"))
    clock.now += 3
    assert quiet.gone_quiet({PLC, DCS}, 5) == [SourceIdle(*DCS, 5)]
    clock.now += 1
    assert quiet.gone_quiet({PLC, DCS}, 6) == []


def test_one_that_was_silent_before_this_process_began_is_found() -> None:
    clock = Monotonic()
    quiet = Quiet(10.0, clock)
    assert quiet.gone_quiet({DCS}, 5) == []
    clock.now += 11
    assert quiet.gone_quiet({DCS}, 6) == [SourceIdle(*DCS, 6)]


def test_one_that_nobody_waits_for_is_forgotten() -> None:
    clock = Monotonic()
    quiet = Quiet(10.0, clock)
    quiet.observe(heard("plc"))
    clock.now += 60
    assert quiet.gone_quiet(set(), 5) == []
    assert quiet.gone_quiet({PLC}, 6) == []
    clock.now += 11
    assert quiet.gone_quiet({PLC}, 7) == [SourceIdle(*PLC, 7)]
