"""Values, errors and the clock: no I/O."""
