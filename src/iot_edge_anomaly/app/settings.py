"""What a configuration file may say, and how flag, environment, file and default become one value.

A flag beats the environment, the environment beats the file, the file beats the default. The environment speaks as
`IOT_EDGE_ANOMALY_<TABLE>__<KEY>`, for example `IOT_EDGE_ANOMALY_GATEWAY__PORT=9000`.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from iot_edge_anomaly.app.locate import Locator
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.connectors.catalog import CATALOG
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.gateway.settings import GatewaySettings
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings

ENVIRONMENT_PREFIX = "IOT_EDGE_ANOMALY_"
DEFAULT_DATA_DIR = Path("iot-edge-anomaly-data")


class ConsoleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The web page. `port` 0: 8090 if it is free at the first start, else any; the choice is recorded."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = 0


class TickSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The clock of the stream. `seconds` 0 switches it off: then silence is not seen (for exact replays of files)."""

    seconds: float = 1.0
    idle_seconds: float = 30.0


class Settings(msgspec.Struct, frozen=True):
    """Everything a system is started with."""

    bus: BusSettings = BusSettings()
    gateway: GatewaySettings = GatewaySettings()
    console: ConsoleSettings = ConsoleSettings()
    ticks: TickSettings = TickSettings()
    connectors: tuple[msgspec.Struct, ...] = ()
    rules: tuple[AssetRule, ...] = ()


class Problem(NamedTuple):
    """Something wrong with a configuration file."""

    file: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key + ': ' if self.key else ''}{self.text}"


_TABLES: Mapping[str, type[msgspec.Struct]] = {
    "bus": BusSettings,
    "gateway": GatewaySettings,
    "console": ConsoleSettings,
    "ticks": TickSettings,
}
_KINDS: Mapping[str, type[msgspec.Struct]] = {spec.name: spec.settings for spec in CATALOG.values()}

_Shape = TypeVar("_Shape", bound=msgspec.Struct)


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read settings from a file (none: defaults) and the environment. Raises ConfigError listing every problem."""
    if path is None:
        text, name = "", "environment"
    else:
        try:
            text, name = path.read_text(encoding="utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the configuration file {path}: {error}") from error
    settings, problems = check(text, name, environment)
    if problems:
        raise ConfigError("\n".join(map(str, problems)))
    return settings


def check(text: str, file: str, environment: Mapping[str, str] | None = None) -> tuple[Settings, list[Problem]]:
    """Read settings from the text of a file, and list what is wrong with it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+)", str(error))
        return Settings(), [Problem(file, int(at[1]) if at else text.count("\n") + 1, "", str(error))]
    return _Reader(file, Locator(text)).read(_with_environment(document, environment or {}))


class _Reader:
    def __init__(self, file: str, locator: Locator) -> None:
        self._file = file
        self._locator = locator
        self._problems: list[Problem] = []

    def read(self, document: dict[str, Any]) -> tuple[Settings, list[Problem]]:
        for name in document.keys() - _TABLES.keys() - {"connector", "asset"}:
            self._report(name, 0, "", "", f"unknown table{_suggest(name, [*_TABLES, 'connector', 'asset'])}")
        tables = {name: self._table(name, 0, document.get(name, {}), shape) for name, shape in _TABLES.items()}
        connectors = [
            self._table("connector", number, table, self._kind(number, table))
            for number, table in enumerate(self._list(document, "connector"))
        ]
        rules = [self._rule(number, table) for number, table in enumerate(self._list(document, "asset"))]
        settings = Settings(
            **{name: table for name, table in tables.items() if table is not None},  # type: ignore[arg-type]  # by name
            connectors=tuple(connector for connector in connectors if connector is not None),
            rules=tuple(rule for rule in rules if rule is not None),
        )
        return settings, self._problems

    def _list(self, document: dict[str, Any], name: str) -> list[dict[str, Any]]:
        value = document.get(name, [])
        if isinstance(value, list) and all(isinstance(table, dict) for table in value):
            return value
        self._report(name, 0, "", "", f"write it as [[{name}]]: there may be several")
        return []

    def _kind(self, number: int, table: dict[str, Any]) -> type[msgspec.Struct] | None:
        kind = table.get("type")
        if isinstance(kind, str) and kind in _KINDS:
            return _KINDS[kind]
        self._report("connector", number, "type", "type", f"must be one of {', '.join(_KINDS)}; it is {kind!r}")
        return None

    def _rule(self, number: int, table: dict[str, Any]) -> AssetRule | None:
        table = dict(table)
        match = table.pop("match", None)
        if not isinstance(match, str):
            self._report("asset", number, "match", "match", 'name the assets, for example match = "acme/site-1/*"')
            return None
        settings = self._table("asset", number, table, AssetSettings)
        return None if settings is None else AssetRule(match, settings)

    def _table(self, name: str, number: int, table: object, shape: type[_Shape] | None) -> _Shape | None:
        if shape is None:
            return None
        try:
            return msgspec.convert(table, shape)
        except (msgspec.ValidationError, ConfigError) as error:
            text, _, path = str(error).partition(" - at `$")
            unknown = re.search(r"unknown field `([^`]+)`", text)
            key = unknown[1] if unknown else path.rstrip("`").rpartition(".")[2].partition("[")[0]
            if unknown:
                text = f"unknown key{_suggest(key, _keys_of(shape))}"
            self._report(name, number, key, f"{path.rstrip('`').lstrip('.')}.{key}" if unknown and path else key, text)
            return None

    def _report(self, table: str, number: int, key: str, shown: str, text: str) -> None:
        line = self._locator.line_of(table, number, key)
        self._problems.append(Problem(self._file, line, f"{table}.{shown.strip('.')}" if shown else table, text))


def _keys_of(shape: type[msgspec.Struct]) -> list[str]:
    shapes = (AssetSettings, SensorSettings) if shape is AssetSettings else (shape,)
    return [field.encode_name for part in shapes for field in msgspec.structs.fields(part)]


def _suggest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(known))}"


def _with_environment(document: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    merged = dict(document)
    for variable, value in environment.items():
        table, separator, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        if variable.startswith(ENVIRONMENT_PREFIX) and separator and table in _TABLES:
            merged[table] = {**merged.get(table, {}), key: _literal(value)}
    return merged


def _literal(value: str) -> object:
    """Read a value of the environment as TOML would; what is no TOML value is text."""
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value
