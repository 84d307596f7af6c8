"""Write the table of `docs/alarms.md` anew from the transition table; with `--check`, exit with 1 if it differs."""

import sys
from pathlib import Path

from iot_edge_anomaly.alarms.transitions import MEANINGS, Event, next_state
from iot_edge_anomaly.core.outcomes import AlarmState

PAGE = Path(__file__).with_name("alarms.md")
BEGIN, END = "<!-- table: python docs/alarm_table.py -->", "<!-- end of table -->"


def table() -> str:
    """Return the states as columns, the events as rows, and in each cell where the event leads."""
    lines = ["| event | when | " + " | ".join(AlarmState) + " |", "|---" * (2 + len(AlarmState)) + "|"]
    for event in Event:
        cells = [next_state(state, event) or "" for state in AlarmState]
        lines.append(f"| **{event.value}** | {MEANINGS[event]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    wanted = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if arguments == ["--check"]:
        return int(page != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
