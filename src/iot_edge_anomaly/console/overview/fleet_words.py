"""Are we fine? In words. Pure."""

from collections import Counter
from collections.abc import Iterable

from iot_edge_anomaly.console.board import Line
from iot_edge_anomaly.console.words import Condition

NEEDY = (Condition.ALARM, Condition.RETURNED, Condition.SILENT)
"""An alarm that somebody acknowledged is in good hands."""

_ASIDE = (
    (Condition.ALARM, "with an alarm that nobody has seen"),
    (Condition.RETURNED, "with an alarm that is over and nobody has seen"),
    (Condition.SILENT, "without data"),
    (Condition.ACKNOWLEDGED, "with an alarm that somebody looks after"),
    (Condition.MAINTENANCE, "in maintenance"),
    (Condition.LEARNING, "still learning"),
    (Condition.PROVISIONAL, "scored provisionally"),
)


def by_condition(lines: Iterable[Line]) -> Counter[Condition]:
    """Count assets by what they look like."""
    return Counter(line.condition for line in lines)


def verdict(counts: Counter[Condition]) -> str:
    """Say in one sentence whether all is well.

    >>> verdict(Counter({Condition.NORMAL: 12})), verdict(Counter({Condition.ALARM: 1, Condition.NORMAL: 11}))
    ('All 12 assets are fine', '1 of 12 assets needs somebody')
    """
    total, needy = counts.total(), sum(counts[condition] for condition in NEEDY)
    if needy:
        return f"{needy} of {assets(total)} need{'s' if needy == 1 else ''} somebody"
    if counts[Condition.ACKNOWLEDGED]:
        seen = counts[Condition.ACKNOWLEDGED]
        return f"{seen} of {assets(total)} {'has' if seen == 1 else 'have'} an alarm, and somebody is on it"
    return "The only asset is fine" if total == 1 else f"All {assets(total)} are fine"


def details(counts: Counter[Condition]) -> str:
    """Say what else there is to say; nothing where all is normal."""
    said = [f"{counts[condition]} {words}" for condition, words in _ASIDE if counts[condition]]
    return ", ".join(said) + "." if said else ""


def assets(count: int) -> str:
    """Write a number of assets."""
    return f"{count} asset{'' if count == 1 else 's'}"
