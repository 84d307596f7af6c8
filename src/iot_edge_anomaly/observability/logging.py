"""One way to log: for people on a terminal, as JSON lines anywhere else."""

import logging
import os
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor

from iot_edge_anomaly.core.errors import ConfigError

LEVEL_VARIABLE = "IOT_EDGE_ANOMALY_LOG_LEVEL"
LEVELS = ("debug", "info", "warning", "error")

_CHATTY = ("nats", "_granian", "granian.access", "asyncio", "httpx", "httpcore")


def configure_logging(role: str, level: str | None = None, stream: TextIO | None = None) -> None:
    """Send the logs of this process, those of libraries too, to `stream` (stderr), each line with its role.

    `level` None: as the environment says, else info. Raises ConfigError for a level there is not.
    """
    wanted = (level or os.environ.get(LEVEL_VARIABLE) or "info").lower()
    if wanted not in LEVELS:
        raise ConfigError(f"log level {wanted!r} ({LEVEL_VARIABLE}) must be one of {', '.join(LEVELS)}")
    output = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(role),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(role),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(output)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(wanted.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _shared(role: str) -> list[Processor]:
    def add_role(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.setdefault("role", role)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        add_role,
    ]


def _rendering(output: TextIO) -> list[Processor]:
    if output.isatty():
        return [structlog.dev.ConsoleRenderer()]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
