import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

PROBE = """
import sys
import src.iot_edge_anomaly
from src.iot_edge_anomaly.core.names import AssetKey as by_alias
import src.iot_edge_anomaly.core.errors as errors
from iot_edge_anomaly.core.names import AssetKey
import iot_edge_anomaly
assert by_alias is AssetKey
assert errors is iot_edge_anomaly.core.errors
assert src.iot_edge_anomaly is iot_edge_anomaly
assert errors.__spec__.name == errors.__name__ == "iot_edge_anomaly.core.errors"
aliases = [name for name in sys.modules if name.startswith("src.iot")]
twice = [name for name in aliases if sys.modules[name] is not sys.modules[name[4:]]]
assert twice == [], twice
"""


def test_the_checkout_name_is_the_same_package() -> None:
    subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(CHECKOUT)!r})\n{PROBE}"], check=True
    )
