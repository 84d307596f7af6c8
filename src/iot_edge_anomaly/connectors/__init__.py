"""The outside world in: one file per protocol."""
