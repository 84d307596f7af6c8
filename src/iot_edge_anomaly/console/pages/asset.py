"""One asset: its alarms, its trend over minutes or months, its sensors, its history."""

from iot_edge_anomaly.console.assets.pane import AssetPane
from iot_edge_anomaly.console.board import by_key
from iot_edge_anomaly.console.elements import box, link, text
from iot_edge_anomaly.console.shell import BEAT_SECONDS, PageSpec, Visit
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.security.principal import Permission


def build(visit: Visit) -> None:
    """Show the asset that the address names."""
    try:
        key = AssetKey.parse(visit.request.path_params["name"])
    except RejectedError as error:
        _nothing(str(error))
        return
    if not visit.who.may(Permission.READ, key.tenant):
        _nothing(f"There is no asset {key}.")
        return
    _Shown(visit, key)


def _nothing(why: str) -> None:
    text("h1", "Asset")
    with box("empty"):
        text("p", why)
        link("Show all assets", "/assets", "button")


class _Shown:
    """The pane of an asset; made anew when the settings of the asset change."""

    def __init__(self, visit: Visit, key: AssetKey) -> None:
        self._visit = visit
        self._key = key
        self._box = box("right")
        self._make()
        visit.every(BEAT_SECONDS, self._update)

    def _make(self) -> None:
        with self._box:
            self._pane = AssetPane(self._visit, self._key)

    async def _update(self) -> None:
        console = self._visit.console
        if self._pane.settings != console.view.settings(self._key):
            self._box.clear()
            self._make()
        found = console.board.shared(self._visit.who, by_key).get(self._key)
        await self._pane.update(found, self._visit.now_ns())


SPEC = PageSpec("/asset/{name:path}", "Asset", "", build)
