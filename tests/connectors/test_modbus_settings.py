"""What is wrong with the settings of Modbus is said before anything is asked, with what to write instead."""

import subprocess
import sys

import pytest

from iot_edge_anomaly.app.settings import check
from iot_edge_anomaly.connectors.modbus_settings import ModbusDevice, ModbusPoint, ModbusSettings

FLOW = ModbusPoint(sensor="flow", address=0)

FINE = """
[[connector]]
type = "modbus"
host = "192.0.2.10"

[[connector.devices]]
unit = 1
asset = "acme/pump-1"
points = [
    { sensor = "flow", kind = "input", address = 0, type = "float32", order = "CDAB" },
    { sensor = "level", address = 10, type = "int16", scale = 0.1, no_value = [-32768] },
    { sensor = "running", kind = "coil", address = 3 },
    { sensor = "fault", address = 11, type = "bool", bit = 4 },
]

[[connector.devices]]
unit = 2
asset = "acme/pump-2"
seconds = 10

[[connector.devices.points]]
sensor = "flow"
address = 0
"""


def said(text: str) -> list[str]:
    return [str(problem) for problem in check(text, "plant.toml")[1]]


def test_what_is_right_is_read() -> None:
    settings, problems = check(FINE, "plant.toml")
    assert problems == []
    (read,) = settings.connectors
    assert isinstance(read, ModbusSettings)
    first, second = read.devices
    assert [point.read_as for point in first.points] == ["float32", "int16", "bool", "bool"]
    assert (second.unit, second.seconds, second.points[0].read_as) == (2, 10.0, "uint16")


POINTS, DEVICES = "connector.devices.points", "connector.devices"


@pytest.mark.parametrize(
    ("wrong", "instead", "wanted"),
    [
        ('coil", address = 3', 'coil", address = 65536', f"12: {POINTS}.address: must be at most 65535; it is 65536"),
        ("address = 0, type", "adress = 0, type", f"10: {POINTS}.adress: unknown key; did you mean address?"),
        ('coil", address = 3', 'coil"', f"12: {POINTS}: address is missing"),
        ('"CDAB"', '"cdab"', "must be one of ABCD, CDAB, BADC, DCBA; it is 'cdab'"),
        ("seconds = 10", "seconds = 0", f"19: {DEVICES}.seconds: must be at least 0.05; it is 0"),
        ("seconds = 10", "second = 10", f"19: {DEVICES}.second: unknown key"),
        ("acme/pump-2", "pump-2", f"18: {DEVICES}.asset: asset name 'pump-2' must"),
        ("unit = 2\n", "unit = 256\n", f"17: {DEVICES}.unit: must be at most 255"),
        ("address = 0\n", "address = 65536\n", f"23: {POINTS}.address: must be at most 65535"),
        (
            "[-32768]",
            "[0x8000]",
            f"11: {POINTS}.no_value: no_value is never read as int16, -32768 to 32767: write -32768",
        ),
        ("[-32768]", "[5, 4]", "the smaller first"),
        ("scale = 0.1", "scale = 0", f"11: {POINTS}.scale: scale must not be 0"),
        ('kind = "coil"', 'kind = "coil", type = "int16"', f'12: {POINTS}.type: type must be "bool"'),
        ('type = "bool", bit', "bit", f"13: {POINTS}.bit: bit is for a register"),
        ("address = 11", "address = 65535", ""),
        (
            "address = 0, type",
            "address = 65535, type",
            f"10: {POINTS}.address: address 65535 is too high for a float32",
        ),
        ('"running"', '"flow"', f"6: {DEVICES}: devices tell the sensor 'flow' of acme/pump-1 twice, from unit 1 and"),
        ("acme/pump-2", "acme/pump-1", "from unit 1 and from unit 2"),
        (
            '11, type = "bool", bit = 4',
            "10",
            f"9: {POINTS}: points overlap: 'level' (int16 at holding 10) and 'fault' (",
        ),
        ('"running"', '""', f"12: {POINTS}.sensor: sensor name is empty"),
    ],
)
def test_a_mistake_is_told_with_its_line(wrong: str, instead: str, wanted: str) -> None:
    assert wrong in FINE
    found = said(FINE.replace(wrong, instead, 1))
    assert all(problem.startswith("plant.toml:") for problem in found)
    if not wanted:
        assert found == []
        return
    assert any(wanted in problem for problem in found), found
    assert len(found) == 1 + ("adress" in instead), "and nothing else, but that the right key is missing"


def test_mistakes_in_lists_of_lists_are_told_with_their_lines() -> None:
    assert said(FINE + FINE.replace("address = 3", "address = '3'").replace("bit = 4", "bot = 4")) == [
        f'plant.toml:35: {POINTS}.address: must be a whole number; it is text in "quotes": write 3, the name tells '
        "the unit",
        f"plant.toml:36: {POINTS}.bot: unknown key; did you mean bit?",
    ]


def test_what_stands_a_level_too_high_is_told() -> None:
    assert said('[[connector]]\ntype = "modbus"\npoints = []')[1:] == [
        "plant.toml:3: connector.points: unknown key; it is said of each of the devices"
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"devices": ()}, r"say what to read in \[\[connector.devices\]\]"),
        ({"host": ""}, "host is empty"),
        ({"port": 0}, "port must be"),
        ({"timeout_seconds": 0.0}, "timeout_seconds must be"),
    ],
)
def test_settings_that_cannot_work_say_so(wrong: dict[str, object], words: str) -> None:
    device = ModbusDevice(asset="acme/pump", points=(FLOW,))
    with pytest.raises(ValueError, match=words):
        ModbusSettings(**{"devices": (device,), **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([], "points is empty"),
        ([("a", 0, "float32"), ("b", 1, "int16")], r"'a' \(float32 at holding 0 to 1\) and 'b' \(int16 at holding 1\)"),
        ([("a", 0, "float64"), ("b", 1, "int16"), ("c", 8, "int16")], "points overlap"),
        ([("a", 0, "uint16"), ("b", 0, "int16")], "points overlap"),
        ([("a", 0, "bool"), ("b", 0, "bool")], "are the same bit"),
    ],
)
def test_points_that_can_only_be_a_mistake_are_told(points: list[tuple[str, int, str]], words: str) -> None:
    made = tuple(ModbusPoint(sensor=name, address=at, type=read_as) for name, at, read_as in points)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=words):
        ModbusDevice(asset="acme/pump", points=made)


def test_a_status_word_and_its_bits_and_one_place_in_two_kinds_are_fine() -> None:
    word = ModbusPoint(sensor="word", address=0)
    bits = [ModbusPoint(sensor=f"bit{bit}", address=0, type="bool", bit=bit) for bit in range(16)]
    ModbusDevice(asset="acme/pump", points=(word, *bits, ModbusPoint(sensor="in", address=0, kind="input")))


def test_an_asset_of_more_sensors_than_a_batch_may_hold_is_refused() -> None:
    points = tuple(ModbusPoint(sensor=f"s{address}", address=address) for address in range(5001))
    with pytest.raises(ValueError, match="more than 5000 sensors of acme/pump"):
        ModbusSettings(devices=(ModbusDevice(asset="acme/pump", points=points),))


def test_the_same_unit_may_be_read_at_two_paces() -> None:
    fast = ModbusDevice(asset="acme/pump", points=(FLOW,))
    slow = ModbusDevice(asset="acme/pump", seconds=60.0, points=(ModbusPoint(sensor="hours", address=9),))
    ModbusSettings(devices=(fast, slow))


def test_every_process_reads_the_catalog_and_loads_no_library_of_modbus_by_that() -> None:
    listing = "import sys, iot_edge_anomaly.connectors.catalog; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout.split()
    assert "iot_edge_anomaly.connectors.modbus" in loaded
    assert "pymodbus" not in loaded
