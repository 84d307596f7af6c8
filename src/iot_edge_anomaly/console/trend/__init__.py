"""The chart of rows over a time."""
