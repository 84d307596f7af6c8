"""The pages about configuration are those of the settings types, and the sample is right to the last key."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from iot_edge_anomaly.app.reference import entries, pages, sample, schema
from iot_edge_anomaly.app.settings import CONNECTORS, SINKS, TABLES, AssetTable, Settings, check
from iot_edge_anomaly.pipeline.settings import DEFAULTS, SensorSettings

DOCS = Path(__file__).parents[2] / "docs"
STRUCTS = [*TABLES.values(), *CONNECTORS.values(), *SINKS.values(), AssetTable, SensorSettings]


def uncommented() -> str:
    return re.sub(r"^#(?=[a-z\[])", "", sample(), flags=re.MULTILINE)


@pytest.mark.parametrize(("name", "wanted"), list(pages()), ids=[name for name, _ in pages()])
def test_a_page_is_what_the_settings_types_say(name: str, wanted: str) -> None:
    verb = name.split(".")[1].replace("md", "reference")
    page = DOCS / name
    stands = page.read_text(encoding="utf-8") if page.exists() else ""
    assert stands == wanted, f"write it anew with: iot-edge-anomaly config {verb} > docs/{name}"


def test_the_sample_changes_nothing_until_a_line_is_uncommented() -> None:
    assert check(sample(), "sample.toml") == (Settings(), [])


def test_every_line_of_the_sample_may_be_uncommented() -> None:
    settings, problems = check(uncommented(), "sample.toml")
    assert problems == []
    (rule,) = settings.rules
    assert msgspec.structs.replace(rule.settings, sensors={}, fused={}) == DEFAULTS
    assert [type(connector) for connector in settings.connectors] == list(CONNECTORS.values())
    assert [type(sink) for sink in settings.sinks] == list(SINKS.values())


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_key_has_a_meaning_that_is_a_sentence(struct: type[msgspec.Struct]) -> None:
    for entry in entries(struct):
        assert entry.meaning[0].isupper() or entry.meaning[0].isdigit()
        assert entry.meaning.endswith(".")
        assert "|" not in entry.meaning + entry.values


def test_the_sample_names_every_key() -> None:
    document = tomllib.loads(uncommented())
    for name, table in TABLES.items():
        assert set(document[name]) == {entry.key for entry in entries(table)}
    typed = [*document["connector"], *document["sink"]]
    for written, table in zip(typed, [*CONNECTORS.values(), *SINKS.values()], strict=True):
        assert set(written) == {"type", *(entry.key for entry in entries(table))}


def test_the_schema_forbids_what_the_program_does() -> None:
    said = msgspec.json.decode(schema())
    shapes = said["$defs"]
    assert set(shapes["Configuration"]["properties"]) == {*TABLES, "connector", "sink", "asset"}
    assert all(shapes[struct.__name__]["additionalProperties"] is False for struct in STRUCTS)
    assert shapes["AssetTable"]["required"] == ["match"]
    assert shapes["BusSettings"]["properties"]["partitions"]["maximum"] == 256
