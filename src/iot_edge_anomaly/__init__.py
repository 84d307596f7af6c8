"""Anomaly detection for industrial sensors, from the reading to the explained alarm."""

__version__ = "0.1.0"

if __name__ != "iot_edge_anomaly":
    # Imported from a checkout as `src.iot_edge_anomaly`: that is another name of the package, never a second copy.
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from iot_edge_anomaly.core.alias import install

    install(__name__)
