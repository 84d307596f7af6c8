"""The HTTP API: translates requests, decides nothing."""
