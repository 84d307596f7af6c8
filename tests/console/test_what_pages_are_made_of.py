"""Names and notes come from whoever may send readings: none may become an attribute of an element."""

import ast
import inspect
import pkgutil
from importlib import import_module

import pytest

from iot_edge_anomaly import console

MODULES = sorted(found.name for found in pkgutil.walk_packages(console.__path__, f"{console.__name__}."))


@pytest.mark.parametrize("module", MODULES)
def test_no_attribute_is_read_from_a_text_that_holds_data(module: str) -> None:
    """NiceGUI reads `props("...")` as a list of attributes; what is not our own text goes into `props[...]`."""
    for call in ast.walk(ast.parse(inspect.getsource(import_module(module)))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "props":
            held = [part.value for text in call.args for part in ast.walk(text) if isinstance(part, ast.FormattedValue)]
            names = {ast.unparse(each) for each in held}
            assert names <= {"number", "rows"}, f"{module}:{call.lineno} reads {names} as attributes"
