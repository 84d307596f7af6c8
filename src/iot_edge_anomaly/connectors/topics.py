"""MQTT topics name assets and sensors: a unified namespace below a prefix, or a pattern for brokers of others. Pure."""

from functools import lru_cache
from typing import NamedTuple, Protocol

from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.core.names import AssetKey, from_token, sensor_name

UNASSIGNED = "unassigned"
_SENSOR = "{sensor}"


class Place(NamedTuple):
    """Where a message belongs. `sensor` None: the message names its sensors itself."""

    key: AssetKey
    sensor: str | None


class Topics(Protocol):
    """Tells where a message belongs."""

    def place(self, topic: str, *, one_value: bool) -> Place:
        """Read a topic; `one_value` says that the message is a single value. Raises RejectedError for a stranger."""
        ...

    def unassigned(self, topic: str) -> AssetKey:
        """Return where messages of a stranger are kept: `<tenant>/unassigned`."""
        ...


class NamespaceTopics:
    """`<prefix>/<tenant>/<site>/…/<asset>`, and one level more, the sensor, for a single value.

    A level may be written as a subject token (`core/names.py`): what no topic can carry is sent so, and the tenant of
    the embedded server's devices always is.

    >>> NamespaceTopics("ingress").place("ingress/acme/site/pump/flow", one_value=True)
    Place(key=AssetKey(tenant='acme', asset='site/pump'), sensor='flow')
    """

    def __init__(self, prefix: str, tenant: str | None = None) -> None:
        self._start = f"{prefix}/" if prefix else ""
        self._tenant = tenant
        self._known = lru_cache(maxsize=16_384)(self._read)

    def place(self, topic: str, *, one_value: bool) -> Place:
        """Read a topic."""
        return self._known(topic, one_value)

    def _read(self, topic: str, one_value: bool) -> Place:
        if not topic.startswith(self._start):
            raise RejectedError(f"topic {topic!r} does not begin with {self._start!r}")
        levels = [_level(level) for level in topic.removeprefix(self._start).split("/")]
        sensor = levels.pop() if one_value else None
        if not levels:
            raise RejectedError(f"topic {topic!r} names no asset before its sensor")
        if self._tenant is not None:
            levels.insert(0, self._tenant)
        return _place(topic, levels, sensor)

    def unassigned(self, topic: str) -> AssetKey:
        """Return where messages of a stranger are kept."""
        tenant = self._tenant or _level(topic.removeprefix(self._start).partition("/")[0])
        try:
            return AssetKey.parse(f"{tenant}/{UNASSIGNED}")
        except RejectedError:
            return AssetKey(UNASSIGNED, UNASSIGNED)


class PatternTopics:
    """`plant/{site}/{line}/{asset}/{sensor}`: the asset is the named levels in order, those of one tenant.

    A level that is no name in braces must stand as it is; `+` is any level that names nothing. Without `{sensor}` the
    message names its sensors itself.

    >>> PatternTopics("plant/{line}/+/{asset}/{sensor}", "acme").place("plant/l1/x/pump/flow", one_value=True)
    Place(key=AssetKey(tenant='acme', asset='l1/pump'), sensor='flow')
    """

    def __init__(self, pattern: str, tenant: str) -> None:
        self._pattern = pattern
        self._levels = pattern.split("/")
        self._tenant = tenant
        if not any(_names_part(level) for level in self._levels):
            raise ConfigError(f"pattern {pattern!r} names no part of an asset; for example plant/{{asset}}/{{sensor}}")
        self._known = lru_cache(maxsize=16_384)(self._read)

    @property
    def subscription(self) -> str:
        """The topic filter that lets the pattern's topics through."""
        return "/".join("+" if _is_named(level) else level for level in self._levels)

    def place(self, topic: str, *, one_value: bool) -> Place:  # noqa: ARG002 - the pattern says what the levels are
        """Read a topic."""
        return self._known(topic)

    def unassigned(self, topic: str) -> AssetKey:  # noqa: ARG002 - one tenant owns them all
        """Return where messages of a stranger are kept."""
        return AssetKey(self._tenant, UNASSIGNED)

    def _read(self, topic: str) -> Place:
        given = topic.split("/")
        if len(given) != len(self._levels):
            raise RejectedError(f"topic {topic!r} is not of the pattern {self._pattern!r}")
        parts, sensor = [], None
        for level, name in zip(self._levels, given, strict=True):
            if level == _SENSOR:
                sensor = name
            elif _is_named(level):
                parts.append(name)
            elif level not in ("+", name):
                raise RejectedError(f"topic {topic!r} is not of the pattern {self._pattern!r}")
        return _place(topic, [self._tenant, *parts], sensor)


def _place(topic: str, levels: list[str], sensor: str | None) -> Place:
    try:
        return Place(AssetKey.parse("/".join(levels)), None if sensor is None else sensor_name(sensor))
    except RejectedError as error:
        raise RejectedError(f"topic {topic!r}: {error}") from error


def _level(written: str) -> str:
    try:
        name = from_token(written)
    except RejectedError:
        return written
    return written if "/" in name else name


def _is_named(level: str) -> bool:
    return level.startswith("{") and level.endswith("}")


def _names_part(level: str) -> bool:
    return _is_named(level) and level != _SENSOR
