"""The messages seen at a broker, and what would become of each."""

from collections.abc import Mapping

from iot_edge_anomaly.connectors.mqtt import MqttSettings, Received
from iot_edge_anomaly.connectors.probe import Meaning, meaning
from iot_edge_anomaly.console.elements import box, set_classes, show, text
from iot_edge_anomaly.console.words import figure

MOST_ROWS = 20
MOST_CHARACTERS = 120
MOST_SENSORS = 6


class MessageTable:
    """A row a topic, the newest first."""

    def __init__(self) -> None:
        self._rows: list[_Row] = []
        with box("scroll").props("tabindex=0") as self._box, box("messages", "table"):
            with box("", "thead"), box("", "tr"):
                for name in ("Topic", "Payload", "Becomes"):
                    text("th", name).props("scope=col")
            self._body = box("", "tbody")
        show(self._box, wanted=False)

    def update(self, seen: Mapping[str, Received], mapped: MqttSettings | None) -> None:
        """Show these messages, as the settings would read them; without settings only what came."""
        newest = [*seen.values()][::-1][:MOST_ROWS]
        show(self._box, bool(newest))
        with self._body:
            self._rows += [_Row() for _ in range(len(newest) - len(self._rows))]
        for row, message in zip(self._rows, newest, strict=False):
            row.update(message, None if mapped is None else meaning(mapped, message))
        for row in self._rows[len(newest) :]:
            show(row.box, wanted=False)


class _Row:
    def __init__(self) -> None:
        with box("", "tr") as self.box:
            self._topic = text("th", "", "topic").props("scope=row")
            with box("payload", "td"):
                self._payload = text("code")
            self._becomes = text("td", "", "becomes")

    def update(self, message: Received, became: Meaning | None) -> None:
        show(self.box, wanted=True)
        self._topic.text = message.topic
        self._payload.text = _shown(message.content)
        self._becomes.text, kind = ("", "unmapped") if became is None else _said(became)
        set_classes(self._becomes, f"becomes {kind}")


def _said(became: Meaning) -> tuple[str, str]:
    """Return what becomes of a message in words, and its kind."""
    if not became.is_subscribed:
        return "Not taken: its topic is not of this shape", "left"
    if not became.readings and not became.set_aside:
        return "Nothing: it holds no reading", "left"
    aside = "; ".join(f"{sensor + ': ' if sensor else ''}{why}" for sensor, why in became.set_aside[:MOST_SENSORS])
    if not became.readings:
        return f"Set aside: {aside}", "aside"
    values = [f"{name} = {figure(value)}" for name, value in [*became.readings.items()][:MOST_SENSORS]]
    more = len(became.readings) - len(values)
    taken = f"{became.asset}: {', '.join(values)}{f' and {more} more' if more else ''}"
    return (f"{taken}. Set aside: {aside}", "aside") if aside else (taken, "taken")


def _shown(content: bytes) -> str:
    if not content:
        return "(empty)"
    try:
        said = content[: 4 * MOST_CHARACTERS].decode()
    except UnicodeDecodeError:
        said = content[: MOST_CHARACTERS // 2].hex(" ")
    return said if len(said) <= MOST_CHARACTERS else f"{said[:MOST_CHARACTERS]}…"
