"""What comes from outside is shown in a table as it is."""

from io import StringIO

import pytest
from rich.console import Console

from iot_edge_anomaly.cli.tables import table


@pytest.mark.parametrize("name", ["acme/line[/1]", "acme/[red]pump", "[link=http://x]y[/link]", "a\\[b", "plain"])
def test_names_are_no_markup(name: str) -> None:
    shown = StringIO()
    Console(file=shown, width=200).print(table(("asset", "reason"), [(name, "why")]))
    assert name in shown.getvalue()
