"""Verbs to come."""

import typer


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
