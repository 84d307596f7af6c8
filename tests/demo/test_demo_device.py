"""A device against a real broker: its messages, a broker that is killed, a device that is killed."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import msgspec
import pytest
from broker_for_devices import Plant, eventually, free_port  # type: ignore[import-not-found]

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.demo.device import ROW_NS, run_device
from iot_edge_anomaly.demo.memory import Memory, memory_file, wake
from iot_edge_anomaly.demo.outbox import KEPT_MESSAGES, outbox
from iot_edge_anomaly.demo.plant import PlantState, read
from iot_edge_anomaly.demo.sensors import SENSORS

pytestmark = pytest.mark.server


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    found = Plant(tmp_path, "pump-1")
    found.start_broker()
    try:
        with found.subscriber():
            yield found
    finally:
        found.kill_broker()


def firsts(numbers: list[int]) -> list[int]:
    """Numbers in the order in which each was heard first: repeats are allowed, they are at-least-once."""
    return list(dict.fromkeys(numbers))


def test_rows_arrive_in_order_with_all_sensors_at_whole_periods(plant: Plant) -> None:
    with plant.device():
        eventually(lambda: len(plant.heard) >= 20)
    assert firsts(plant.numbers(1))[:20] == list(range(20))
    times = [message["rows"][0]["time"] for message in plant.heard]
    assert all(time % ROW_NS == 0 for time in times)
    assert times == sorted(set(times))
    assert {message["source"] for message in plant.heard} == {"pump-1-plc"}
    state = PlantState()
    for message in plant.heard[:20]:
        state, reading = read(state, "pump-1")
        assert {name: value for name, value in message["rows"][0].items() if name != "time"} == reading.values


def test_a_killed_broker_costs_no_number_and_no_order(plant: Plant) -> None:
    with plant.device() as device:
        eventually(lambda: len(plant.heard) >= 10)
        plant.kill_broker()
        known = saved_row(plant)
        eventually(lambda: saved_row(plant) >= known + 20)
        plant.start_broker()
        through = plant.numbers(1)[-1] + 50
        eventually(lambda: bool(plant.numbers(1)) and plant.numbers(1)[-1] >= through)
        assert device.poll() is None
    found = firsts(plant.numbers(1))
    assert found == list(range(len(found)))


def saved_row(plant: Plant) -> int:
    """The row that the device would go on with; 0 before it has saved any."""
    path = memory_file(plant.folder, plant.name)
    return msgspec.json.decode(path.read_bytes(), type=Memory).plant.row if path.exists() else 0


def test_a_killed_device_goes_on_in_a_new_epoch_about_where_it_was(plant: Plant) -> None:
    with plant.device() as device:
        eventually(lambda: saved_row(plant) >= 10)
        device.kill()
    saved = saved_row(plant)
    with plant.device():
        eventually(lambda: len(plant.numbers(2)) >= 5)
    assert firsts(plant.numbers(2))[:5] == list(range(5))
    state, first = PlantState(), None
    for _ in range(saved + 1):
        state, first = read(state, "pump-1")
    heard = next(message["rows"][0] for message in plant.heard if message["epoch"] == 2)
    assert first is not None
    assert {name: value for name, value in heard.items() if name != "time"} == first.values


def test_a_stopped_device_has_saved_its_last_row(plant: Plant) -> None:
    with plant.device():
        eventually(lambda: len(plant.heard) >= 3)
    assert saved_row(plant) > plant.numbers(1)[-1]


def test_each_start_begins_a_higher_epoch(tmp_path: Path) -> None:
    assert [wake(tmp_path, "tank-1").epoch for _ in range(3)] == [1, 2, 3]


def test_a_broken_memory_is_named(tmp_path: Path) -> None:
    path = memory_file(tmp_path, "tank-1")
    path.parent.mkdir()
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"tank-1\.json"):
        wake(tmp_path, "tank-1")


def test_an_unknown_device_is_refused_by_naming_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=", ".join(SENSORS)):
        anyio.run(run_device, "pump-9", tmp_path, "127.0.0.1", 1, "user", "password")


def test_so_many_messages_are_kept_without_a_broker_and_no_more() -> None:
    async def fill() -> tuple[int, bool]:
        with outbox("ingress/demo/a", host="127.0.0.1", port=free_port(), user="user", password="password") as box:
            while box.has_room:
                box.put(b"{}")
            return box.unacknowledged, box.has_room

    assert anyio.run(fill) == (KEPT_MESSAGES, False)
