"""Whether the whole plant is fine, on one sheet."""
