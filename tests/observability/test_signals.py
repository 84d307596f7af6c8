import pytest
import structlog
from structlog.testing import capture_logs

from iot_edge_anomaly.observability.health import Check, readiness
from iot_edge_anomaly.observability.metrics import REGISTRY
from iot_edge_anomaly.observability.signals import Level, Outage, Signal


@pytest.fixture(autouse=True)
def _unconfigured() -> None:
    structlog.reset_defaults()


def test_a_signal_counts_by_its_labels_and_logs_all_its_fields() -> None:
    signal = Signal("test_set_aside", "readings set aside", Level.WARNING, ("reason",))
    with capture_logs() as lines:
        signal.emit(3, reason="no time", asset="acme/pump-1")
        signal.emit(reason="no time", asset="acme/pump-2")
    assert REGISTRY.get_sample_value("iea_test_set_aside_total", {"reason": "no time"}) == 4
    assert lines[0] == {
        "event": "readings set aside",
        "log_level": "warning",
        "amount": 3,
        "reason": "no time",
        "asset": "acme/pump-1",
    }


def test_what_is_only_counted_is_not_logged() -> None:
    signal = Signal("test_accepted", "readings accepted", Level.COUNTED)
    with capture_logs() as lines:
        signal.emit(10)
    assert lines == []
    assert REGISTRY.get_sample_value("iea_test_accepted_total") == 10


def test_a_label_must_be_given() -> None:
    with pytest.raises(KeyError):
        Signal("test_label", "x", Level.COUNTED, ("reason",)).emit()


def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends() -> None:
    outage = Outage("test_bus", "the bus")
    with capture_logs() as lines:
        outage.ended()
        for _ in range(3):
            outage.began(why="refused")
        assert outage.is_down
        assert REGISTRY.get_sample_value("iea_test_bus_down") == 1
        for _ in range(3):
            outage.ended()
    assert [line["event"] for line in lines] == ["the bus is down", "the bus is up again"]
    assert REGISTRY.get_sample_value("iea_test_bus_down") == 0
    assert REGISTRY.get_sample_value("iea_test_bus_outages_total") == 1


def test_ready_means_that_every_fact_holds() -> None:
    good, bad = Check("bus", True, "connected"), Check("views", False, "12 behind")
    assert readiness([good]).ready
    assert not readiness([good, bad]).ready
    assert readiness([good, bad]).checks == (good, bad)
