"""See the first readings of a new source come in, and its assets learn."""

from iot_edge_anomaly.console.assets.listing import asset_address
from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.elements import box, show, text
from iot_edge_anomaly.console.shell import BEAT_SECONDS, Visit
from iot_edge_anomaly.console.words import summary
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import AssetSettings
from iot_edge_anomaly.security.principal import Permission
from iot_edge_anomaly.views.plant import AssetView

MOST_ROWS = 12
MOST_REASONS = 4


class Arrivals:
    """The assets of a tenant that have sent something since this was made; new ones first."""

    def __init__(self, visit: Visit, backstage: Backstage, tenant: str) -> None:
        self._visit = visit
        self._plant = backstage.plant
        self._tenant = tenant
        self._since_ns = visit.now_ns()
        self._known = {asset.key for asset in self._plant.assets()}
        self._rows: dict[AssetKey, _Row] = {}
        with box("card arrivals", "section").props('aria-label="What comes in"'):
            text("h2", "What comes in")
            self._waiting = text("p", f"Waiting for the first reading of {tenant} …", "hint").props("role=status")
            self._list = box("rows", "ul")
            self._aside = text("p", "", "wrong").props("role=status")
        visit.every(BEAT_SECONDS, self._update)

    def _update(self) -> None:
        if not self._visit.who.may(Permission.READ, self._tenant):
            self._waiting.text = "Your token may not look at this tenant: it lacks the permission 'read'."
            return
        self._show_assets([asset for asset in self._plant.assets() if self._is_meant(asset)])
        self._show_aside()

    def _is_meant(self, asset: AssetView) -> bool:
        return asset.key.tenant == self._tenant and asset.seen_ns >= self._since_ns

    def _show_assets(self, assets: list[AssetView]) -> None:
        show(self._waiting, not assets)
        for asset in sorted(assets, key=lambda one: (one.key in self._known, one.key)):
            if asset.key not in self._rows and len(self._rows) < MOST_ROWS:
                with self._list:
                    self._rows[asset.key] = _Row(asset.key)
            if asset.key in self._rows:
                self._rows[asset.key].update(asset, self._plant.settings(asset.key), self._visit.now_ns())

    def _show_aside(self) -> None:
        found = zip(reversed(self._plant.set_aside), reversed(self._plant.set_aside_places), strict=False)
        reasons = dict.fromkeys(
            f"{source or 'a message'}: {record.reason}"
            for (key, source, record), place in found
            if key.tenant == self._tenant and place.at_ns >= self._since_ns
        )
        shown = "; ".join([*reasons][:MOST_REASONS])
        self._aside.text = f"Set aside, see System: {shown}" if shown else ""


class _Row:
    def __init__(self, key: AssetKey) -> None:
        with box("row", "li"):
            text("a", str(key), "name").props["href"] = asset_address(key)
            self._summary = text("span", "", "summary")
            with box("progress") as self._progress:
                self._bar = box("bar")

    def update(self, asset: AssetView, settings: AssetSettings, now_ns: int) -> None:
        self._summary.text = summary(asset, settings, now_ns)
        show(self._progress, asset.progress < 1.0)
        self._bar.style(f"width: {asset.progress:.0%}")
