"""Where the rows of a backtest come from, and how their asset is treated: a CSV file, or the history of a system."""

import asyncio
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from iot_edge_anomaly.app.history import history_folder
from iot_edge_anomaly.app.settings import load
from iot_edge_anomaly.backtest.file import read_past
from iot_edge_anomaly.backtest.run import Past
from iot_edge_anomaly.backtest.times import Times
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.settings import read_address
from iot_edge_anomaly.cli.options import existing
from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError
from iot_edge_anomaly.core.names import AssetKey, nearest
from iot_edge_anomaly.core.outcomes import ROW_QUALITIES, RowQuality
from iot_edge_anomaly.detection.season import SeasonRule
from iot_edge_anomaly.historian.sql import EVER_NS, NEVER_NS
from iot_edge_anomaly.pipeline.operating import StateRule
from iot_edge_anomaly.pipeline.profile import Profile, profile_of
from iot_edge_anomaly.pipeline.settings import AssetRule
from iot_edge_anomaly.pipeline.shifts import SHIFT, with_shift
from iot_edge_anomaly.training.gather import LONGEST_STEP
from iot_edge_anomaly.views.rules import read_rules

_REJECTED = ROW_QUALITIES.index(RowQuality.REJECTED)


class Source(NamedTuple):
    """Rows, how their times are written, how the asset is treated, and what is to be known of it all."""

    name: str
    past: Past
    times: Times
    profile: Profile
    notes: tuple[str, ...] = ()


class Told(NamedTuple):
    """What is said of a file that stands in the settings of an asset: how states are told, which clock is followed."""

    states: StateRule | None = None
    season: SeasonRule | None = None


NOTHING_TOLD = Told()


class Range(NamedTuple):
    """`--from` and `--until`, as typed."""

    since: str | None
    until: str | None

    def read(self, times: Times) -> tuple[int, int]:
        """Return both in ns. Raises ConfigError."""
        since_ns = read_time("--from", self.since, times, EVER_NS)
        until_ns = read_time("--until", self.until, times, NEVER_NS)
        if since_ns >= until_ns:
            raise ConfigError(f"--until {self.until} is not after --from {self.since}")
        return since_ns, until_ns


def read_time(option: str, text: str | None, times: Times, default: int) -> int:
    """Read a time that was typed. Raises ConfigError that names the option."""
    try:
        return default if text is None else times.read(text)
    except RejectedError as error:
        raise ConfigError(f"{option}: {error}") from error


def is_file(what: str) -> bool:
    """Tell whether a file is meant, and not an asset."""
    return Path(what).is_file() or what.endswith((".csv", ".csv.gz"))


def source_of(
    what: str,
    chosen: Range,
    interval_seconds: float,
    config: Path | None,
    data_dir: Path,
    told: Told = NOTHING_TOLD,
) -> Source:
    """Read the rows; `told`: how those of a file are to be taken.

    Raises ConfigError, RejectedError, UnavailableError.
    """
    if not is_file(what):
        if told != NOTHING_TOLD:
            option = "--season" if told.states is None else "--shift" if told.states.shifts else "--state-sensor"
            raise ConfigError(f"{option} is for files; for an asset it stands in its settings")
        return _of_history(_asset(what), chosen, config, data_dir)
    if config is not None:
        raise ConfigError("--config says how assets of a system are treated; a CSV file is of none")
    return _of_file(Path(what), chosen, interval_seconds, told)


def _of_file(path: Path, chosen: Range, interval_seconds: float, told: Told) -> Source:
    past, times, was_sorted = read_past(path, interval_seconds)
    since_ns, until_ns = chosen.read(times)
    begin, end = np.searchsorted(past.time_ns, [since_ns, until_ns]).tolist()
    if begin == end:
        there = _there(int(past.time_ns[0]), int(past.time_ns[-1]), times)
        raise ConfigError(f"{path} has no rows in that time; {there}")
    rows = slice(begin, end)
    past = past._replace(
        time_ns=past.time_ns[rows], values=past.values[rows], may_learn=np.ascontiguousarray(past.may_learn[rows])
    )
    if told.states and told.states.shifts:
        sensors, values = with_shift(past.sensors, past.values, told.states.shifts.at(past.time_ns))
        past = past._replace(sensors=sensors, values=values)
    notes = ("the rows went back in time and were sorted",) if was_sorted else ()
    profile = replace(profile_of(past.key, (), ""), states=told.states, season=told.season).for_sensors(past.sensors)
    return Source(path.name, past, times, profile, notes)


def _of_history(key: AssetKey, chosen: Range, config: Path | None, data_dir: Path) -> Source:
    if importlib.util.find_spec("deltalake") is None:
        raise ConfigError("history needs deltalake; bring it with: pip install 'iot-edge-anomaly[history]'")
    times = Times()
    since_ns, until_ns = chosen.read(times)
    past = _past(history_folder(existing(data_dir)), key, since_ns, until_ns, times)
    rules = load(config).rules if config is not None else asyncio.run(_rules_in_force(data_dir))
    profile = profile_of(key, rules, "")
    past = _by_this_calendar(past, profile)
    profile = profile.for_sensors(past.sensors)
    return Source(str(key), past, times, profile, _notes(profile))


def _by_this_calendar(past: Past, profile: Profile) -> Past:
    """Work the shifts out as the asset has them now; what history holds may be of another calendar, or of none."""
    if profile.states is None or profile.states.shifts is None:
        return past
    others = [number for number, sensor in enumerate(past.sensors) if sensor != SHIFT]
    sensors, values = tuple(past.sensors[number] for number in others), past.values[:, others]
    sensors, values = with_shift(sensors, values, profile.states.shifts.at(past.time_ns))
    return past._replace(sensors=sensors, values=values)


def _past(folder: Path, key: AssetKey, since_ns: int, until_ns: int, times: Times) -> Past:
    from iot_edge_anomaly.historian.history import History

    history = History(folder)
    fused = history.fused(key, since_ns, until_ns)
    if fused is not None:
        may_learn = fused.quality != _REJECTED
        return Past(key, fused.sensors, fused.time_ns, fused.values, may_learn, LONGEST_STEP)
    span = history.span(key)
    if span is not None:
        raise ConfigError(f"history has no rows of {key} in that time; {_there(*span, times)}")
    known = history.newest_assets()
    meant = nearest(str(key), known)
    said = f"did you mean {meant}?" if meant else f"it has rows of {', '.join(known[:5])}" if known else "it is empty"
    raise ConfigError(f"there is no file {key}, and history in {folder} has no rows of such an asset; {said}")


async def _rules_in_force(data_dir: Path) -> tuple[AssetRule, ...]:
    try:
        async with connect(read_address(data_dir), "backtest") as bus:
            return await read_rules(bus)
    except (ConfigError, UnavailableError) as error:
        raise ConfigError(
            f"how the asset is treated is asked of the running system, and that does not answer ({error}); "
            "start it, or name its configuration file with --config"
        ) from error


def _notes(profile: Profile) -> tuple[str, ...]:
    unseen = ["silence"] if any(profile.alarms.silence_seconds.values()) else []
    unseen += ["stuck sensors"] if profile.watches_stuck else []
    return (f"not tested: {' and '.join(unseen)}, which the running system watches",) if unseen else ()


def _asset(what: str) -> AssetKey:
    try:
        return AssetKey.parse(what)
    except RejectedError as error:
        raise ConfigError(f"{what!r} is neither a file here nor an asset: {error}") from error


def _there(first_ns: int, last_ns: int, times: Times) -> str:
    return f"there are rows from {times.shown(first_ns)} to {times.shown(last_ns)}"
