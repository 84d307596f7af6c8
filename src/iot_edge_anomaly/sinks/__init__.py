"""The outside world out: one file a target, and the runner."""
