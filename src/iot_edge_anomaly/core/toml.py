"""Write values as TOML."""

import msgspec


def as_toml(value: object) -> str:
    """Write a value as TOML, tables inline.

    >>> as_toml({"env": "PASSWORD"})
    '{ env = "PASSWORD" }'
    """
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {as_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")


def as_block(name: str, table: dict[str, object]) -> str:
    """Write a table as one of `[[name]]`, a line a key.

    >>> as_block("asset", {"match": "acme/*"})
    '[[asset]]\\nmatch = "acme/*"\\n'
    """
    return f"[[{name}]]\n" + "".join(f"{key} = {as_toml(value)}\n" for key, value in table.items())
