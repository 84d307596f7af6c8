"""Alarms a day as bars, against the budget of false alarms. Pure: figures in, ECharts options out."""

from collections.abc import Sequence
from typing import Any

from iot_edge_anomaly.console.budget.span import rate
from iot_edge_anomaly.console.trend.parts import FONT, GRID, INK
from iot_edge_anomaly.console.when import day_name

BAR, BUDGET = "#7d8b98", "#b4560c"
TALLEST = 40


def options(first_day: int, raised: Sequence[int], budget_a_day: float) -> dict[str, Any]:
    """Return the chart of days in a row."""
    highest = max([*raised, budget_a_day, 3])
    return {
        "animation": False,
        "textStyle": {"fontFamily": FONT},
        "tooltip": {"trigger": "axis", "confine": True, "transitionDuration": 0},
        "grid": {"left": 34, "right": 12, "top": 14, "bottom": 24},
        "xAxis": {
            "type": "category",
            "data": [day_name(first_day + number) for number in range(len(raised))],
            "axisLabel": {"color": INK, "hideOverlap": True},
            "axisLine": {"lineStyle": {"color": GRID}},
            "axisTick": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "max": highest,
            "minInterval": 1,
            "splitNumber": 3,
            "axisLabel": {"color": INK, "showMaxLabel": False},
            "splitLine": {"lineStyle": {"color": GRID}},
        },
        "series": [
            {
                "name": "Alarms",
                "type": "bar",
                "data": list(raised),
                "barMaxWidth": TALLEST,
                "itemStyle": {"color": BAR, "borderRadius": [3, 3, 0, 0]},
                "markLine": {
                    "silent": True,
                    "symbol": "none",
                    "label": {"show": False},
                    "lineStyle": {"color": BUDGET, "type": "dashed", "width": 2},
                    "data": [{"yAxis": round(budget_a_day, 3)}],
                },
            }
        ],
    }


def spoken(raised: Sequence[int], budget_a_day: float) -> str:
    """Say what the chart shows."""
    total = sum(raised)
    return (
        f"{total} alarm{'' if total == 1 else 's'} in {len(raised)} days, {raised[-1]} of them today. "
        f"Dashed: false alarms allowed, {rate(budget_a_day)} a day for all assets together."
    )
