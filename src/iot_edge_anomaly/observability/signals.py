"""Things worth knowing: each is one named signal that owns its log line and its counter.

A room declares its signals as constants, for example
`SET_ASIDE = Signal("readings_set_aside", "readings set aside", Level.WARNING, ("connector", "reason"))`, and calls
`SET_ASIDE.emit(3, connector="mqtt", reason="no time", asset="acme/pump-1")`: fields that are labels are counted by, all
fields are logged. Labels take a handful of values each: names of assets, sensors and people belong in the log alone.
"""

from enum import Enum

import structlog
from prometheus_client import Counter, Gauge

from iot_edge_anomaly.observability.metrics import REGISTRY

PREFIX = "iea"


class Level(Enum):
    """How loud a signal is. Warning: recovered, nothing lost. Error: data lost, or a person is needed."""

    COUNTED = "counted"
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Signal:
    """A thing that happens: counted as `iea_<name>_total`, and logged unless it is only counted."""

    def __init__(self, name: str, text: str, level: Level, labels: tuple[str, ...] = ()) -> None:
        self._text = text
        self._level = level
        self._labels = labels
        self._counter = Counter(f"{PREFIX}_{name}", text, labels, registry=REGISTRY)
        self._log = structlog.get_logger(name)

    def emit(self, amount: float = 1, **fields: object) -> None:
        """Count `amount` and write the log line. Every label must be among the fields."""
        counter = self._counter
        if self._labels:
            counter = counter.labels(*(str(fields[label]) for label in self._labels))
        counter.inc(amount)
        if self._level is not Level.COUNTED:
            getattr(self._log, self._level.value)(self._text, amount=amount, **fields)


class Outage:
    """A thing that is up or down: gauge `iea_<name>_down`, counter of outages, one line at each end."""

    def __init__(self, name: str, text: str) -> None:
        self._text = text
        self._down = False
        self._gauge = Gauge(f"{PREFIX}_{name}_down", f"1 while {text} is down", registry=REGISTRY)
        self._counter = Counter(f"{PREFIX}_{name}_outages", f"outages of {text}", registry=REGISTRY)
        self._log = structlog.get_logger(name)

    @property
    def is_down(self) -> bool:
        """Whether it is down at present."""
        return self._down

    def began(self, **fields: object) -> None:
        """Say that it is down; calls while it is down say nothing more."""
        if self._down:
            return
        self._down = True
        self._gauge.set(1)
        self._counter.inc()
        self._log.warning(f"{self._text} is down", **fields)

    def ended(self, **fields: object) -> None:
        """Say that it is up again; calls while it is up say nothing."""
        if not self._down:
            return
        self._down = False
        self._gauge.set(0)
        self._log.info(f"{self._text} is up again", **fields)
