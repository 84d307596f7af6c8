"""What an asset does when what it gathered led to no model."""

import pytest
from plant_runs import CONFIGURED, NS, T0, Run, batch, plant  # type: ignore[import-not-found]

from iot_edge_anomaly.core.messages import FitFailed, Item, ModelActivated
from iot_edge_anomaly.core.outcomes import FitRequest

REFUSALS = {
    "purged": FitFailed("acme", "site/pump-1", "purged before the fit", T0, wants_more=False),
    "missing": ModelActivated("acme", "site/pump-1", "sha256:gone", T0),
}


def rows_asked(request: FitRequest) -> int:
    return sum((end - start) // NS + 1 for start, end in request.spans)


@pytest.mark.parametrize(("refusal", "notice"), [("purged", "fit-failed"), ("missing", "model-refused")])
@pytest.mark.parametrize("cuts", [(), (71, 72, 73), range(200)], ids=["at-once", "around", "one-by-one"])
def test_where_more_rows_would_not_help_as_many_are_gathered_anew(
    refusal: str, notice: str, cuts: tuple[int, ...]
) -> None:
    rows: list[Item] = [batch(row, values) for row, values in enumerate(plant(140).tolist())]
    run = Run([CONFIGURED, *rows[:70], REFUSALS[refusal], *rows[70:]], cuts)
    last = run.requests()[-1]
    assert last.first_seq == 72
    assert rows_asked(last) == 60
    assert [said.kind for outcome in run.outcomes for said in outcome.notices] == [notice]
