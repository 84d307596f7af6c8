"""The list of assets, worst first: grey while all is well."""

from collections.abc import Sequence
from urllib.parse import quote

from iot_edge_anomaly.console.elements import box, set_classes, set_prop, show, text
from iot_edge_anomaly.console.words import CONDITION_WORDS, Condition, condition_of, summary, worst_priority
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import AssetSettings
from iot_edge_anomaly.views.plant import AssetView

NOTHING_YET = "No asset has sent anything yet."
HOW_TO_START = (
    "Send a reading over MQTT to ingress/<tenant>/<site>/<area>/<line>/<asset>, or over HTTP to /v1/readings: "
    "the asset appears here by itself. To look around first: iot-edge-anomaly up --demo"
)
Known = tuple[AssetView, AssetSettings]

URGENT = (Condition.ALARM, Condition.ACKNOWLEDGED, Condition.RETURNED)
_ORDER = tuple(Condition)


class AssetList:
    """One row an asset. Rows stay where they are as long as the order does, so that the focus is kept."""

    def __init__(self) -> None:
        self._rows: dict[AssetKey, _Row] = {}
        with box("assets", "nav").props('aria-label="Assets"') as self._list, box("empty") as self._empty:
            text("p", NOTHING_YET)
            text("p", HOW_TO_START, "hint")

    def update(self, assets: Sequence[Known], shown: AssetKey | None, now_ns: int) -> None:
        """Show these assets as they are now, and mark the one whose details are shown."""
        show(self._empty, not assets)
        ordered = sorted(assets, key=lambda pair: (_ORDER.index(condition_of(pair[0], pair[1], now_ns)), pair[0].key))
        for place, (asset, settings) in enumerate(ordered, start=1):
            if asset.key not in self._rows:
                with self._list:
                    self._rows[asset.key] = _Row(asset.key)
            self._rows[asset.key].update(asset, settings, now_ns, place, asset.key == shown)


class _Row:
    def __init__(self, key: AssetKey) -> None:
        place, _, name = str(key).rpartition("/")
        with box("asset", "a") as self._row:
            self._row.props["href"] = asset_address(key)
            box("mark").props("aria-hidden=true")
            with box("about"):
                with box("line"):
                    text("span", name, "name")
                    self._state = text("span", "", "state")
                text("div", place, "place")
                self._summary = text("div", "", "summary")
                with box("progress") as self._progress:
                    self._bar = box("bar")

    def update(self, asset: AssetView, settings: AssetSettings, now_ns: int, place: int, is_shown: bool) -> None:
        condition = condition_of(asset, settings, now_ns)
        priority = worst_priority(asset) or ""
        set_classes(self._row, f"asset {condition} {priority} {'chosen' if is_shown else ''}")
        set_prop(self._row, "aria-current", "true" if is_shown else "false")
        self._row.style(f"order: {place}")
        self._state.text = CONDITION_WORDS[condition]
        line = summary(asset, settings, now_ns)
        self._summary.text = line
        show(self._summary, line != CONDITION_WORDS[condition])
        show(self._progress, condition in (Condition.LEARNING, Condition.PROVISIONAL))
        self._bar.style(f"width: {asset.progress:.0%}")


def asset_to_show(assets: Sequence[Known], shown: AssetKey | None, now_ns: int) -> AssetKey | None:
    """Return the asset to show where none was asked for: the worst one, but never away from one in alarm."""
    conditions = {asset.key: condition_of(asset, settings, now_ns) for asset, settings in assets}
    worst = min(conditions, key=lambda key: (_ORDER.index(conditions[key]), key), default=None)
    if shown is None or worst is None:
        return worst
    return worst if conditions[worst] in URGENT and conditions.get(shown) not in URGENT else shown


def asset_address(key: AssetKey) -> str:
    """Return the address of an asset's page."""
    return f"/asset/{quote(str(key))}"
