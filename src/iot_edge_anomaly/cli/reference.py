"""`reference`: the pages that are worked out from this program itself."""

import msgspec
import typer
from typer.core import TyperGroup

from iot_edge_anomaly.cli import command_page

reference = typer.Typer(no_args_is_help=True, help="Print the reference pages of the command line and the HTTP API.")


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.add_typer(reference, name="reference")


@reference.command("cli")
def print_command_line(context: typer.Context) -> None:
    """Print the reference page (Markdown) of every verb, with its arguments, options, defaults and examples.

    Example: iot-edge-anomaly reference cli > command-line.md
    """
    program = context.find_root().command
    assert isinstance(program, TyperGroup)
    typer.echo(command_page.page(program), nl=False)


@reference.command("http")
def print_http_api() -> None:
    """Print the reference page (Markdown) of the HTTP API: every route and every type.

    Example: iot-edge-anomaly reference http > http-api.md
    """
    from iot_edge_anomaly.gateway import http_page, routes

    typer.echo(http_page.page(msgspec.json.decode(routes.DOCUMENT)), nl=False)
