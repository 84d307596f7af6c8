"""What every role loads before it plays: nothing heavy, so that the small footprint for a gateway box stays small."""

import subprocess
import sys

HEAVY = ("sqlalchemy", "deltalake", "pyarrow", "polars", "pandas", "nicegui", "httpx", "torch", "scipy", "sklearn")


def test_the_program_that_plays_a_role_loads_nothing_heavy() -> None:
    """`run edge` is this program, and loads nothing more once it runs."""
    listing = "import sys, iot_edge_anomaly.cli.main; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "iot_edge_anomaly.app.roles" in loaded
    assert not loaded.intersection(HEAVY)
