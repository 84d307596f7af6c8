"""What was set up in the console comes on top of what `--config` says: read, checked, and seen when it changes."""

import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import msgspec

from iot_edge_anomaly.app.locate import Locator
from iot_edge_anomaly.app.settings import SEVERAL, TABLES, Problem, Settings, check, problems_as_text
from iot_edge_anomaly.connectors.catalog import CATALOG
from iot_edge_anomaly.connectors.mqtt import MqttSettings
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.operations.configure import Finding, added_file, read_added
from iot_edge_anomaly.security.secrets import Secret

HERE = ("connector", "asset")
"""What may be set up in the console."""

LOOK_SECONDS = 1.0


def check_added(text: str, file: str = "console.toml") -> tuple[Settings, list[Problem]]:
    """Read connectors and asset rules from the text of the file, and list what is wrong with it."""
    settings, problems = check(text, file, stands_alone=False)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return settings, problems
    locator = Locator(text)
    for name in document.keys() & {*TABLES, *SEVERAL} - {*HERE}:
        said = f"only {' and '.join(f'[[{each}]]' for each in HERE)} stand here; "
        said += f"{name} belongs in the file that --config names, which is read at start"
        problems.append(Problem(file, locator.line_of(name), name, said))
    if not problems:
        problems += _unworkable(settings, locator, file)
    return settings, sorted(problems, key=lambda problem: problem.line)


def findings(text: str) -> list[Finding]:
    """List what is wrong with the text, for a page."""
    return [Finding(problem.line, problem.key, problem.text) for problem in check_added(text)[1]]


def added(data_dir: Path) -> Settings:
    """Return the connectors and rules that were set up in the console. Raises ConfigError listing the problems.

    Files of secrets are named from the data folder on, so that a copy of it works elsewhere.
    """
    settings, problems = check_added(read_added(data_dir), str(added_file(data_dir)))
    if problems:
        raise ConfigError(problems_as_text(problems))
    return msgspec.structs.replace(settings, connectors=tuple(_at_home(one, data_dir) for one in settings.connectors))


def with_added(settings: Settings, data_dir: Path) -> Settings:
    """Return settings with what was set up in the console behind them. Raises ConfigError."""
    more = added(data_dir)
    connectors, rules = (*settings.connectors, *more.connectors), (*settings.rules, *more.rules)
    return msgspec.structs.replace(settings, connectors=connectors, rules=rules)


async def changes(path: Path, look_seconds: float = LOOK_SECONDS) -> AsyncIterator[None]:
    """Yield at once, and then each time after the file was written, made or removed."""
    seen: tuple[int, int] | str | None = "never"
    while True:
        if (now := _stamp(path)) != seen:
            seen = now
            yield
        else:
            await anyio.sleep(look_seconds)


def _unworkable(settings: Settings, locator: Locator, file: str) -> list[Problem]:
    """List the connectors that no attempt could start, or that would take a broker's session from each other."""
    by_type, sessions = {spec.settings: spec for spec in CATALOG.values()}, set[tuple[str, int, str]]()
    found = []
    for number, wanted in enumerate(settings.connectors):
        line = locator.line_of("connector", number)
        try:
            by_type[type(wanted)].create(wanted)
        except ConfigError as error:
            found.append(Problem(file, line, "connector", str(error)))
        if isinstance(wanted, MqttSettings):
            session = wanted.host, wanted.port, wanted.session()
            if session in sessions:
                text = "another connector reads the same topics of this broker; give one of them a client_id of its own"
                found.append(Problem(file, line, "connector", text))
            sessions.add(session)
    return found


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _at_home(connector: msgspec.Struct, data_dir: Path) -> msgspec.Struct:
    password = getattr(connector, "password", None)
    if not isinstance(password, Secret) or password.file is None:
        return connector
    return msgspec.structs.replace(connector, password=Secret(file=str(data_dir / Path(password.file).expanduser())))
