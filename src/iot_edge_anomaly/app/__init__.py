"""Composition roots: settings to live parts, one module per role."""
