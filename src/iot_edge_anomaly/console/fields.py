"""Plain fields of a form: label, control, hint, and what is wrong with what was filled in."""

import itertools
from collections.abc import Callable, Mapping

import msgspec
from nicegui import ui

from iot_edge_anomaly.console.elements import box, set_prop, show, text

_numbers = itertools.count(1)
_VALUE = "e => emit(e.target.value)"
INITIAL_VALUE = "^value"
"""The attribute and not the property, which would be set again at every change of the page, over what was typed."""


class Field:
    """A line of text that a person fills in."""

    def __init__(
        self,
        label: str,
        value: str = "",
        *,
        hint: str = "",
        kind: str = "text",
        changed: Callable[[], None] | None = None,
    ) -> None:
        self.value = value
        self.is_touched = False
        self._changed = changed
        number = next(_numbers)
        self._id = f"field-{number}"
        with box("blank") as self.box:
            text("label", label).props(f"for=field-{number}")
            self._input = box("", "input").props(f"id=field-{number} autocomplete=off spellcheck=false")
            self._input.props["type"] = kind
            self._input.props[INITIAL_VALUE] = value
            self._input.props["aria-describedby"] = f"hint-{number} problem-{number}"
            text("p", hint, "hint").props(f"id=hint-{number}")
            self._problem = text("p", "", "wrong").props(f"id=problem-{number} role=alert")
        show(self._problem, wanted=False)
        self._input.on("input", lambda event: self._filled_in(str(event.args)), js_handler=_VALUE)

    def fill(self, value: str) -> None:
        """Put a value in."""
        self.value = value
        _put(self._id, value)

    def complain(self, why: str) -> None:
        """Say what is wrong with the value; nothing: it is fine."""
        self._problem.text = why
        show(self._problem, bool(why))
        set_prop(self._input, "aria-invalid", "true" if why else "false")

    def _filled_in(self, value: str) -> None:
        self.value, self.is_touched = value, True
        self.complain("")
        if self._changed is not None:
            self._changed()


def _put(element_id: str, value: str) -> None:
    shown = msgspec.json.encode(value).decode()
    ui.run_javascript(f"document.getElementById('{element_id}').value = {shown}")


class Choice:
    """One of several values."""

    def __init__(self, label: str, options: Mapping[str, str], *, changed: Callable[[], None] | None = None) -> None:
        self.value = next(iter(options))
        self._changed = changed
        number = next(_numbers)
        with box("blank") as self.box:
            text("label", label).props(f"for=field-{number}")
            with box("", "select").props(f"id=field-{number}") as select:
                for value, shown in options.items():
                    text("option", shown).props["value"] = value
        select.on("change", lambda event: self._chosen(str(event.args)), js_handler=_VALUE)

    def _chosen(self, value: str) -> None:
        self.value = value
        if self._changed is not None:
            self._changed()


class Tick:
    """Yes or no."""

    def __init__(self, label: str, *, changed: Callable[[], None] | None = None) -> None:
        self.value = False
        self._changed = changed
        with box("blank tick") as self.box, box("", "label"):
            ticked = box("", "input").props("type=checkbox")
            text("span", label)
        ticked.on("change", lambda event: self._ticked(bool(event.args)), js_handler="e => emit(e.target.checked)")

    def _ticked(self, value: bool) -> None:
        self.value = value
        if self._changed is not None:
            self._changed()


class Editor:
    """A text of many lines."""

    def __init__(self, label: str, value: str, *, rows: int = 12, changed: Callable[[], None] | None = None) -> None:
        self.value = value
        self._changed = changed
        number = next(_numbers)
        self._id = f"field-{number}"
        with box("blank wide") as self.box:
            text("label", label).props(f"for=field-{number}")
            self._area = text("textarea", value, "editor").props(f"id=field-{number} rows={rows} spellcheck=false")
        for event_name in ("input", "change"):  # leaving the field tells its last state, before any button is pressed
            throttle = 0.25 if event_name == "input" else 0.0
            self._area.on(event_name, self._on_change, js_handler=_VALUE, throttle=throttle)

    def fill(self, value: str) -> None:
        """Put a text in."""
        self.value = value
        _put(self._id, value)

    def _on_change(self, event: object) -> None:
        self.value = str(getattr(event, "args", ""))
        if self._changed is not None:
            self._changed()


def command_line(command: str, label: str) -> ui.element:
    """Show a command with a button that copies it."""
    with box("command") as made:
        text("code", command).props.update({"tabindex": "0", "aria-label": label})
        copy = text("button", "Copy", "small").props("type=button")
        copy.props["aria-label"] = f"Copy: {label}"
        copy.on("click", js_handler=_COPY)
    return made


_COPY = """e => {
  const code = e.target.previousElementSibling;
  const range = document.createRange();
  range.selectNodeContents(code);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  const done = () => { e.target.textContent = 'Copied'; };
  if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(done);
  else if (document.execCommand('copy')) done();
}"""


def difference_lines(lines: list[str]) -> None:
    """Show the lines of a difference: what comes, what goes, what stays."""
    kinds = {"+": "comes", "-": "goes", "@": "at"}
    with box("difference", "pre").props('tabindex=0 aria-label="What changes"'):
        for line in lines:
            text("span", line + "\n", kinds.get(line[:1], "stays"))
