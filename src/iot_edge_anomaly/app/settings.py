"""What a configuration file may say, and how flag, environment, file and default become one value.

A flag beats the environment, the environment beats the file, the file beats the default. The environment speaks as
`IOT_EDGE_ANOMALY_<TABLE>__<KEY>`, for example `IOT_EDGE_ANOMALY_GATEWAY__PORT=9000`.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from iot_edge_anomaly.app.faults import Fault, faults, suggestion
from iot_edge_anomaly.app.locate import Locator, Place
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.connectors.catalog import CATALOG
from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.core.names import sensor_name
from iot_edge_anomaly.detection.catalog import DETECTORS
from iot_edge_anomaly.gateway.settings import GatewaySettings
from iot_edge_anomaly.historian.settings import HistorySettings
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, contradictions
from iot_edge_anomaly.sinks.catalog import CATALOG as SINK_CATALOG
from iot_edge_anomaly.sinks.settings import SinkSettings
from iot_edge_anomaly.views.settings import ViewsSettings

ENVIRONMENT_PREFIX = "IOT_EDGE_ANOMALY_"
DEFAULT_DATA_DIR = Path("iot-edge-anomaly-data")
MOST_BYTES = 4 << 20
"""A larger file is no configuration; reading it would take longer than a person waits."""

MOST_SHOWN = 50


class ConsoleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The web page; it needs the extra `console`."""

    enabled: Annotated[bool, Meta(description="Whether there is one.")] = True
    host: Annotated[
        str, Meta(description="Address to listen on. Anything but loopback opens the page to the network.")
    ] = "127.0.0.1"
    port: Annotated[
        int, Meta(description="0: 8090 if it is free at the first start, else any; the choice is kept.", ge=0, le=65535)
    ] = 0


class TickSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The clock of the stream: time is input like any other, so that silence and timers replay exactly."""

    seconds: Annotated[
        float, Meta(description="How often the time is told; 0: never, then silence is not seen.", ge=0.0, le=3600.0)
    ] = 1.0
    idle_seconds: Annotated[
        float,
        Meta(description="After so many seconds a source that is silent is no longer waited for.", ge=0.0, le=1e9),
    ] = 30.0


class Settings(msgspec.Struct, frozen=True):
    """Everything a system is started with."""

    bus: BusSettings = BusSettings()
    gateway: GatewaySettings = GatewaySettings()
    console: ConsoleSettings = ConsoleSettings()
    ticks: TickSettings = TickSettings()
    views: ViewsSettings = ViewsSettings()
    history: HistorySettings = HistorySettings()
    connectors: tuple[msgspec.Struct, ...] = ()
    sinks: tuple[SinkSettings, ...] = ()
    rules: tuple[AssetRule, ...] = ()
    file: str = ""
    """Where it was read from; empty: the defaults."""


class AssetTable(AssetSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the assets are treated whose full names match. Of tables that match an asset later ones win, key by key."""

    match: Annotated[
        str,
        msgspec.Meta(
            description="Full names, `tenant/…/asset`; `*` stands for anything, slashes too.",
            examples=["acme/site-1/*"],
            min_length=1,
        ),
    ]


TABLES: Mapping[str, type[msgspec.Struct]] = {
    "bus": BusSettings,
    "gateway": GatewaySettings,
    "console": ConsoleSettings,
    "ticks": TickSettings,
    "views": ViewsSettings,
    "history": HistorySettings,
}
"""Tables that stand once."""

CONNECTORS: Mapping[str, type[msgspec.Struct]] = {spec.name: spec.settings for spec in CATALOG.values()}
"""What a `[[connector]]` table may say, by its `type`."""

SINKS: Mapping[str, type[msgspec.Struct]] = {spec.name: spec.settings for spec in SINK_CATALOG.values()}
"""What a `[[sink]]` table may say, by its `type`."""

SEVERAL = ("connector", "sink", "asset")
"""Tables that may stand several times, written with double brackets."""


class Problem(NamedTuple):
    """Something wrong with a configuration: in which file (or environment variable), on which line (0: none)."""

    file: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key + ': ' if self.key else ''}{self.text}"


_Shape = TypeVar("_Shape", bound=msgspec.Struct)


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read settings from a file (none: defaults) and the environment. Raises ConfigError listing the problems."""
    text = "" if path is None else read_text(path)
    settings, problems = check(text, "" if path is None else str(path), environment)
    if problems:
        raise ConfigError(problems_as_text(problems))
    return settings if path is None else msgspec.structs.replace(settings, file=str(path.resolve()))


def problems_as_text(problems: Sequence[Problem]) -> str:
    """Return one line a problem, and no more lines than a person reads."""
    rest = [f"… and {len(problems) - MOST_SHOWN} more"] if len(problems) > MOST_SHOWN else []
    return "\n".join([*map(str, problems[:MOST_SHOWN]), *rest])


def read_text(path: Path) -> str:
    """Return the text of a configuration file. Raises ConfigError saying why it cannot be one."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path} is larger than {MOST_BYTES >> 20} MB: is this the configuration file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: this is no UTF-8 text; save the file as UTF-8") from error


def check(
    text: str, file: str, environment: Mapping[str, str] | None = None, *, stands_alone: bool = True
) -> tuple[Settings, list[Problem]]:
    """Read settings from the text of a file, and list what is wrong with it, in the order of its lines.

    `stands_alone`: no other file is read before it, which could say what is missing here.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said, _, _ = str(error).partition(" (at ")
        at = re.search(r"line (\d+)", str(error))
        return Settings(), [Problem(file, int(at[1]) if at else max(len(text.splitlines()), 1), "", said)]
    reader = _Reader(file, Locator(text))
    settings = reader.read(reader.with_environment(document, environment or {}))
    if stands_alone and not reader.problems:
        reader.see_whether_states_are_told(document)
    return settings, sorted(reader.problems, key=lambda problem: problem.line)


class _Reader:
    def __init__(self, file: str, locator: Locator) -> None:
        self._file = file
        self._locator = locator
        self._variables: dict[Place, str] = {}
        self.problems: list[Problem] = []

    def read(self, document: dict[str, Any]) -> Settings:
        for name in document.keys() - TABLES.keys() - set(SEVERAL):
            self._report(Fault((name,), f"unknown table{suggestion(name, [*TABLES, *SEVERAL])}"))
        tables = {name: self._table((name,), document.get(name, {}), shape) for name, shape in TABLES.items()}
        connectors = [self._typed(place, table, CONNECTORS) for place, table in self._several(document, "connector")]
        sinks = self._sinks(self._several(document, "sink"))
        rules = [self._rule(place, table) for place, table in self._several(document, "asset")]
        return Settings(
            **{name: table for name, table in tables.items() if table is not None},  # type: ignore[arg-type]  # by name
            connectors=tuple(connector for connector in connectors if connector is not None),
            sinks=tuple(sinks),
            rules=tuple(rule for rule in rules if rule is not None),
        )

    def with_environment(self, document: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
        """Return the document with what the environment says put over it."""
        merged = dict(document)
        for variable, value in environment.items():
            name, separator, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
            if not variable.startswith(ENVIRONMENT_PREFIX) or not separator:
                continue
            self._variables[name, key] = variable
            if name not in TABLES:
                self._report(Fault((name, key), f"unknown table {name}{suggestion(name, TABLES)}"))
            elif isinstance(below := merged.get(name, {}), dict):
                merged[name] = {**below, key: _literal(value)}
        return merged

    def _several(self, document: dict[str, Any], name: str) -> list[tuple[Place, dict[str, Any]]]:
        value = document.get(name, [])
        if isinstance(value, list) and all(isinstance(table, dict) for table in value):
            return [((name, number), table) for number, table in enumerate(value)]
        self._report(Fault((name,), f"write it as [[{name}]]: there may be several"))
        return []

    def _typed(
        self, place: Place, table: dict[str, Any], kinds: Mapping[str, type[msgspec.Struct]]
    ) -> msgspec.Struct | None:
        kind = table.get("type")
        if isinstance(kind, str) and kind in kinds:
            return self._table(place, table, kinds[kind])
        said = f"it is {kind!r}" if "type" in table else "it is missing"
        self._report(Fault((*place, "type"), f"must be one of {', '.join(kinds)}; {said}"))
        return None

    def _sinks(self, tables: Sequence[tuple[Place, dict[str, Any]]]) -> Iterator[SinkSettings]:
        names: set[str] = set()
        for place, table in tables:
            read = self._typed(place, table, SINKS)
            if not isinstance(read, SinkSettings):
                continue
            if read.name in names:
                text = f"another sink is called {read.name!r} too; how far each has come is kept under its name"
                self._report(Fault((*place, "name"), text))
            names.add(read.name)
            self._see_whether_names_match(place, read.match)
            yield read

    def _rule(self, place: Place, table: dict[str, Any]) -> AssetRule | None:
        read = self._table(place, table, AssetTable)
        if read is None:
            return None
        if read.detector not in (None, *DETECTORS):
            text = f"there is no detector {read.detector!r}{suggestion(str(read.detector), DETECTORS)}"
            self._report(Fault((*place, "detector"), text))
        for key, text in contradictions(read):
            self._report(Fault((*place, key), text))
        self._see_whether_names_match(place, read.match)
        said = {name: getattr(read, name) for name in AssetSettings.__struct_fields__}
        said["state_sensor"] = self._state_sensor((*place, "state_sensor"), read.state_sensor)
        return AssetRule(read.match, AssetSettings(**said))

    def _state_sensor(self, place: Place, name: str | None) -> str | None:
        """Return the name in its normal form; report what cannot be one."""
        if not name:
            return name
        if re.search(r"[*?]", name):
            self._report(Fault(place, f"must name one sensor, no pattern; it is {name!r}"))
        try:
            return sensor_name(name)
        except RejectedError as error:
            self._report(Fault(place, str(error)))
            return None

    def see_whether_states_are_told(self, document: dict[str, Any]) -> None:
        """Report states to be judged where nothing in the document can tell a state."""
        tables = [(place, table) for place, table in self._several(document, "asset") if isinstance(table, dict)]
        if any(table.get("state_sensor") or table.get("shifts") for _, table in tables):
            return
        for place, table in tables:
            if table.get("judged_states"):
                text = (
                    "nothing tells a state: name the sensor that does with state_sensor, here or in another [[asset]]"
                )
                self._report(Fault((*place, "judged_states"), text))

    def _see_whether_names_match(self, place: Place, match: str) -> None:
        if not re.search(r"[/*?[]", match):
            text = f'no asset is called so; full names read tenant/…/asset: write for example "*/{match}"'
            self._report(Fault((*place, "match"), text))

    def _table(self, place: Place, table: object, shape: type[_Shape]) -> _Shape | None:
        found = list(faults(table, shape, place))
        for fault in found:
            self._report(fault)
        return None if found else msgspec.convert(table, shape)

    def _report(self, fault: Fault) -> None:
        shown = ".".join(part for part in fault.place if isinstance(part, str))
        if variable := self._variables.get(fault.place[:2]):
            self.problems.append(Problem(variable, 0, "", fault.text))
        else:
            self.problems.append(Problem(self._file, self._locator.line_of(*fault.place), shown, fault.text))


def _literal(value: str) -> object:
    """Read a value of the environment as TOML would; what is no TOML value is text."""
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value
