"""One small system for all tests that do it no harm: two pumps, one over its limit, and a record set aside."""

from collections.abc import Iterator

import pytest
from small_system import PUMP, SmallSystem, eventually, small_system  # type: ignore[import-not-found]


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallSystem]:
    """Use it, do not break it."""
    with small_system(tmp_path_factory.mktemp("cli")) as running:
        rows = [{"time": f"2026-01-01T00:00:{second:02d}Z", "flow": 1.0, "pressure": 9.0} for second in range(40)]
        rows[0]["flow"] = "warm"
        with running.client() as client:
            payload = {"asset": PUMP, "source": "plc", "sequence": 1, "rows": rows}
            assert client.post("/v1/readings", json=payload).status_code == 202
            other = {"asset": "acme/site-1/pump-2", "rows": [{"flow": 1.0}]}
            assert client.post("/v1/readings", json=other).status_code == 202
            eventually(lambda: client.get("/v1/alarms").json()["alarms"])
        yield running
