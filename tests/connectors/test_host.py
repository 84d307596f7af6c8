"""The machine as an asset."""

import asyncio

import pytest
from intakes import RecordingIntake, in_background, until  # type: ignore[import-not-found]

from iot_edge_anomaly.connectors import host
from iot_edge_anomaly.connectors.host import HostConnector, HostSettings, Rates
from iot_edge_anomaly.core.clock import SystemClock


def test_the_machine_is_seen_with_its_load_memory_and_rates_under_rising_numbers() -> None:
    async def scenario() -> RecordingIntake:
        intake = RecordingIntake()
        connector = HostConnector(HostSettings(asset="acme/edge-1", seconds=0.1))
        async with in_background(connector.run(intake, SystemClock())):
            await until(lambda: len(intake.batches) >= 3)
        return intake

    batches = asyncio.run(scenario()).batches
    assert {str(batch.key) for batch in batches} == {"acme/edge-1"}
    assert {"cpu_percent", "load_1min", "memory_percent", "disk_used_percent"} <= set(batches[0].sensors)
    assert "network_sent_bytes_per_second" in batches[1].sensors
    assert [batch.sequence for batch in batches] == list(range(len(batches)))
    assert len({batch.epoch for batch in batches}) == 1


def test_a_rate_is_the_rise_per_second_and_a_counter_that_started_anew_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = iter([{"a": 10.0, "b": 5.0}, {"a": 30.0, "b": 1.0}, {"a": 30.0, "b": 3.0}])
    monkeypatch.setattr(host, "_counts", lambda: next(looks).items())
    rates = Rates()
    assert rates.read(10**9) == []
    assert rates.read(3 * 10**9) == [("a_per_second", 10.0)]
    assert rates.read(4 * 10**9) == [("a_per_second", 0.0), ("b_per_second", 2.0)]


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"asset": "no-tenant"}])
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"seconds|asset"):
        HostSettings(**wrong)  # type: ignore[arg-type]
