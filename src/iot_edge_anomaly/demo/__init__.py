"""The demo plant: a pumping station simulated by its physics."""
