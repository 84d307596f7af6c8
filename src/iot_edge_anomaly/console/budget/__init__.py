"""The false-alarm budget: promised and realised."""
