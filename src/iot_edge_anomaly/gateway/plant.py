"""What there is to read of a plant: assets, scores, models, the balance. Own tenants only."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

import msgspec

from iot_edge_anomaly.alarms.feedback import CALIBRATED
from iot_edge_anomaly.bus.ledger import Balance, reconcile
from iot_edge_anomaly.core.outcomes import AlarmLevel, Phase
from iot_edge_anomaly.gateway.find import find_asset
from iot_edge_anomaly.gateway.problems import not_found
from iot_edge_anomaly.gateway.route import Call
from iot_edge_anomaly.gateway.services import Services
from iot_edge_anomaly.views.plant import AssetView

WEEK_SECONDS = 604_800
MOST_POINTS = 20_000


class Asset(msgspec.Struct, frozen=True):
    """One asset as it is now.

    `time_ns` is the start of its newest row, 0 before the first; `progress` is the learned share of what a first model
    needs; `maintenance_until_ns` is 0 when nobody works on it; `model` is the digest in use; `open_alarms` are ids. The
    score has to pass `alarm_level` for an alarm: 1, or what `level_verdicts` verdicts on score alarms have moved it to.
    """

    asset: str
    phase: Phase
    progress: float
    time_ns: int
    score: float
    open_alarms: tuple[str, ...]
    maintenance_until_ns: int
    model: str
    alarm_level: float
    level_verdicts: int


class Assets(msgspec.Struct, frozen=True):
    """All assets of your tenants, in order of name."""

    assets: tuple[Asset, ...]


class NamedAsset(msgspec.Struct, frozen=True):
    """Which asset: its full name, `tenant/.../asset`."""

    name: str


class ScoresOf(msgspec.Struct, frozen=True):
    """Of which asset, how many seconds before its newest row, thinned to about how many points."""

    asset: str
    seconds: Annotated[int, msgspec.Meta(ge=1, le=WEEK_SECONDS)] = 600
    points: Annotated[int, msgspec.Meta(ge=2, le=MOST_POINTS)] = 1000


class Scores(msgspec.Struct, frozen=True):
    """Columns of equal length, oldest first; null where a value is missing. `values` has a column a sensor."""

    asset: str
    time_ns: list[int]
    score: list[float]
    values: dict[str, list[float | None]]


class ModelsInUse(msgspec.Struct, frozen=True):
    """The digest of the model in use, by asset; an asset without a model is not listed."""

    models: dict[str, str]


async def list_assets(services: Services, call: Call) -> Assets:
    """List the assets."""
    return Assets(tuple(_asset(view) for view in _visible(services, call)))


async def read_asset(services: Services, call: Call) -> Asset:
    """Return one asset."""
    return _asset(find_asset(services, call, call.parameters.name))


async def read_scores(services: Services, call: Call) -> Scores:
    """Return the newest scores and values of an asset."""
    asked: ScoresOf = call.parameters
    view = find_asset(services, call, asked.asset)
    trend = services.plant.trend(view.key, timedelta(seconds=asked.seconds), asked.points)
    if trend is None:
        raise not_found(f"asset {view.key} has no rows yet: the first appears when its first grid cell closes")
    values = {sensor: trend.values[:, number].tolist() for number, sensor in enumerate(trend.sensors)}
    return Scores(str(view.key), trend.times.tolist(), trend.score.tolist(), values)


async def list_models(services: Services, call: Call) -> ModelsInUse:
    """List the models in use."""
    return ModelsInUse({str(view.key): view.model for view in _visible(services, call) if view.model})


async def read_balance(services: Services, call: Call) -> Balance:
    """Work out what came in against what became of it. Cost: one read of both streams."""
    services.require_bus()
    balance = await reconcile(services.bus, services.address.partitions)
    return balance.of(call.principal.reaches)


def _visible(services: Services, call: Call) -> Iterable[AssetView]:
    return (view for view in services.plant.assets() if call.principal.reaches(view.key.tenant))


def _asset(view: AssetView) -> Asset:
    alarms = tuple(alarm.latest.alarm_id for alarm in view.alarms)
    level = view.alarm_level or AlarmLevel(CALIBRATED, 0)
    return Asset(
        str(view.key),
        view.phase,
        view.progress,
        view.time_ns,
        view.score,
        alarms,
        view.maintenance_until_ns,
        view.model,
        level.score,
        level.verdicts,
    )
