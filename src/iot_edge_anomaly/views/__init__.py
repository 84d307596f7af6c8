"""Projections of OUTCOMES for gateway and console."""
