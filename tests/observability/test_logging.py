import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.observability.logging import LEVEL_VARIABLE, configure_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_are_json_with_role_and_fields_also_those_of_libraries() -> None:
    output = io.StringIO()
    configure_logging("worker", stream=output)
    structlog.get_logger("pipeline").info("model swapped", asset="acme/pump-1")
    logging.getLogger("some.library").warning("odd: %s", 7)
    ours, theirs = map(json.loads, output.getvalue().splitlines())
    assert (ours["event"], ours["role"], ours["asset"], ours["level"]) == (
        "model swapped",
        "worker",
        "acme/pump-1",
        "info",
    )
    assert (theirs["event"], theirs["role"], theirs["logger"]) == ("odd: 7", "worker", "some.library")


def test_an_exception_is_one_line() -> None:
    output = io.StringIO()
    configure_logging("worker", stream=output)
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = output.getvalue().splitlines()
    assert "ValueError: broken" in json.loads(line)["exception"]


def test_a_terminal_gets_lines_for_people() -> None:
    output = Terminal()
    configure_logging("worker", stream=output)
    structlog.get_logger().warning("disk nearly full", free_bytes=12)
    assert "disk nearly full" in output.getvalue()
    assert not output.getvalue().startswith("{")


def test_the_environment_sets_the_level_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEVEL_VARIABLE, "ERROR")
    output = io.StringIO()
    configure_logging("worker", stream=output)
    structlog.get_logger().warning("quiet")
    configure_logging("worker", "debug", stream=output)
    structlog.get_logger().debug("loud")
    assert [json.loads(line)["event"] for line in output.getvalue().splitlines()] == ["loud"]


def test_a_level_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be one of debug, info"):
        configure_logging("worker", "verbose")
