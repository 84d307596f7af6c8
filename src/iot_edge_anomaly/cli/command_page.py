"""The reference page of the command line, worked out from the verbs themselves."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

PROGRAM = "iot-edge-anomaly"

_EXAMPLE = re.compile(rf"^(?:Example: +| +)({PROGRAM} .+)$", re.MULTILINE)
_EXAMPLES = re.compile(r"\n*^Examples?:.*", re.MULTILINE | re.DOTALL)
_NOTES = re.compile(r"^(.*?)(?:  )?(?:\[((?:required|default: |env var: |x).*)\])?$", re.DOTALL)

_HEAD = f"""\
# Command line

<!-- Written by: {PROGRAM} reference cli. Change the verbs, not this page. -->

Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration. `{PROGRAM} VERB --help` (or `-h`) says what stands here.
Where a verb takes `--data-dir` or `--config`, an environment variable does as well; what is typed beats it.

[The shell can complete](how-to/completion.md) verbs, options, assets and alarms.
"""


class Verb(NamedTuple):
    """A command with its full name, such as `token create`."""

    name: str
    command: TyperCommand
    context: typer.Context


def verbs(root: TyperGroup) -> Iterator[Verb]:
    """Yield every command below the program, those of groups too, in the order of `--help`."""
    yield from _below(root, typer.Context(root, info_name=PROGRAM))


def _below(command: object, context: typer.Context) -> Iterator[Verb]:
    if isinstance(command, TyperGroup):
        for name, each in command.commands.items():
            yield from _below(each, typer.Context(each, info_name=name, parent=context))
    elif isinstance(command, TyperCommand):
        yield Verb(context.command_path.removeprefix(f"{PROGRAM} "), command, context)


def examples(verb: Verb) -> list[str]:
    """Return the examples that a command's own help gives."""
    return _EXAMPLE.findall(verb.command.help or "")


def page(root: TyperGroup) -> str:
    """Return the page of the program."""
    every = list(verbs(root))
    lines = ["| verb | does |", "|---|---|"]
    lines += [f"| [`{verb.name}`](#{verb.name.replace(' ', '-')}) | {_first_sentence(verb)} |" for verb in every]
    return "\n".join([_HEAD, *lines, "", *map(_section, every)])


def _section(verb: Verb) -> str:
    shown = examples(verb)
    lines = [f"## {verb.name}", "", _said(verb), ""]
    lines += ["```sh", *shown, "```", ""] if shown else []
    usage = " ".join(verb.command.collect_usage_pieces(verb.context))
    lines += [f"    {PROGRAM} {verb.name} {usage}", ""]
    rows = [row for parameter in verb.command.params if (row := _row(parameter.get_help_record(verb.context)))]
    lines += ["| argument or option | means | |", "|---|---|---|", *rows, ""] if rows else []
    return "\n".join(lines)


def _row(record: tuple[str, str] | None) -> str | None:
    if record is None:
        return None
    name, said = record
    meaning, notes = _NOTES.fullmatch(said).groups(default="")  # type: ignore[union-attr]  # it matches any text
    cells = [f"`{name.replace('<str>', '<text>')}`", meaning, notes]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _said(verb: Verb) -> str:
    """Return what a command says of itself, without its examples."""
    return _EXAMPLES.sub("", verb.command.help or "").strip()


def _first_sentence(verb: Verb) -> str:
    return re.split(r"(?<=\.)\s", _said(verb), maxsplit=1)[0]
