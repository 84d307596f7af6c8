"""Second stage: readings of many rates onto one grid by event time."""
