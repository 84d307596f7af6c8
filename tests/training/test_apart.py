"""A process that fits starts soon: it imports what it calculates with, and no client of anything."""

import subprocess
import sys

import pytest

HEAVY = ("nats", "aiohttp", "anyio", "structlog", "sqlalchemy", "torch")
PROGRAM = f"import sys, iot_edge_anomaly.training.apart; print([name for name in {HEAVY} if name in sys.modules])"


@pytest.mark.parametrize(("program", "imported"), [(PROGRAM, "[]"), (f"import anyio; {PROGRAM}", "['anyio']")])
def test_a_fit_does_not_wait_for_clients_to_be_imported(program: str, imported: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == imported
