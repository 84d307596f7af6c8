"""Who may take whose credentials away."""

from pathlib import Path

import pytest

from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.operations.admit import Admit
from iot_edge_anomaly.security.principal import Permission, Principal, owner
from iot_edge_anomaly.security.tokens import token_store

ALL = frozenset(Permission)
ADA = Principal("ada", frozenset({"mills"}), ALL)
READER = Principal("reader", frozenset({"mills"}), frozenset({Permission.READ}))


def test_tokens_are_listed_and_taken_away_by_who_configures_all_their_tenants(tmp_path: Path) -> None:
    store, admit = token_store(tmp_path), Admit(tmp_path)
    whose = {
        "plc": frozenset({"mills"}),
        "both": frozenset({"mills", "rival"}),
        "other": frozenset({"rival"}),
        "all": "*",
        "none": frozenset(),
    }
    for name, tenants in whose.items():
        store.create(Principal(name, tenants, frozenset({Permission.READ})))  # type: ignore[arg-type]
    ids = {record.name: record.id for record in store.records()}
    assert {record.name for record in admit.tokens(ADA)} == {"plc"}
    assert {record.name for record in admit.tokens(owner())} == set(whose)
    assert admit.tokens(READER) == []
    for name in ("both", "other", "all", "none"):
        with pytest.raises(RejectedError, match="there is no token"):
            admit.revoke_token(ADA, ids[name])
    admit.revoke_token(ADA, ids["plc"])
    assert "plc" not in {record.name for record in store.records()}
