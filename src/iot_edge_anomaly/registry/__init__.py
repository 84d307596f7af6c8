"""Model files: stored by digest, verified, loaded."""
