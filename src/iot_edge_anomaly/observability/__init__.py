"""Signals, logging and metrics."""
