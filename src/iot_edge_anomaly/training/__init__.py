"""From history to a model; the labelled benchmark."""
