"""The pages about command line and HTTP are those of the program, and every example is right."""

import shlex
from pathlib import Path

import msgspec
import pytest
import typer
from small_system import typed  # type: ignore[import-not-found]
from typer.core import TyperGroup

from iot_edge_anomaly.cli.command_page import PROGRAM, Verb, examples, verbs
from iot_edge_anomaly.cli.main import app
from iot_edge_anomaly.gateway.http_page import page
from iot_edge_anomaly.gateway.routes import DOCUMENT, ROUTES

DOCS = Path(__file__).parents[2] / "docs"
ROOT = typer.main.get_command(app)
assert isinstance(ROOT, TyperGroup)
EXAMPLES = [example for verb in verbs(ROOT) for example in examples(verb)]


@pytest.mark.parametrize(("verb", "name"), [("cli", "command-line.md"), ("http", "http-api.md")])
def test_a_page_is_what_the_program_says(verb: str, name: str) -> None:
    path = DOCS / name
    stands = path.read_text(encoding="utf-8") if path.exists() else ""
    assert stands == typed("reference", verb).stdout, f"write it anew with: {PROGRAM} reference {verb} > docs/{name}"


@pytest.mark.parametrize("verb", list(verbs(ROOT)), ids=lambda verb: verb.name)
def test_every_verb_has_an_example_of_its_own_and_a_sentence(verb: Verb) -> None:
    shown = examples(verb)
    assert shown
    assert all(example.startswith(f"{PROGRAM} {verb.name}") for example in shown)
    assert (verb.command.help or "").split("\n")[0].rstrip(".:") != ""


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_right_usage(example: str) -> None:
    words = shlex.split(example.partition(" > ")[0])[1:]
    verb = next(verb for verb in verbs(ROOT) if f"{example} ".startswith(f"{PROGRAM} {verb.name} "))
    verb.command.make_context(verb.name, words[len(verb.name.split()) :])


def test_every_route_stands_on_the_page_with_its_types() -> None:
    told = page(msgspec.json.decode(DOCUMENT))
    for route in ROUTES:
        path = route.path.replace(":path", "")
        assert f"## {route.method} {path}\n" in told
    assert "| `asset` | text | must be given |" in told
    assert "| `limit` | query | whole number, at least 1, at most 1000 | `200` |" in told
    links = {part.partition(")")[0] for part in told.split("](#")[1:]}
    headings = {line.lstrip("# ") for line in told.splitlines() if line.startswith("##")}
    anchors = {"".join(c for c in text.lower().replace(" ", "-") if c.isalnum() or c in "-_") for text in headings}
    assert links <= anchors
