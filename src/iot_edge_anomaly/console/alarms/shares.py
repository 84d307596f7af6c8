"""Which sensors an alarm rests on, as bars."""

from collections.abc import Sequence

from iot_edge_anomaly.console.elements import box, text
from iot_edge_anomaly.console.words import figure, sensor_title
from iot_edge_anomaly.core.outcomes import Contributor
from iot_edge_anomaly.pipeline.settings import AssetSettings


def shares(contributors: Sequence[Contributor], settings: AssetSettings) -> None:
    """Show each sensor's share of the score as a bar, and what it read against what was expected."""
    with box("shares", "table"), box("", "tbody"):
        for one in contributors:
            with box("", "tr"):
                text("th", sensor_title(settings, one.sensor)).props("scope=row")
                with box("share", "td"), box("track"):
                    box("bar").style(f"width: {one.share:.0%}")
                text("td", f"{one.share:.0%}", "number")
                text("td", figure(one.actual, one.unit), "number actual")
                text("td", f"expected {figure(one.expected, one.unit)}", "number expected")
