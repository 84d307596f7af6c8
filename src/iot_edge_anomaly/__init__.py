"""Anomaly detection for industrial sensors, from the reading to the explained alarm."""

__version__ = "0.1.0"
