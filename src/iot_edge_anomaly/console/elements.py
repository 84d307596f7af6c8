"""Plain HTML elements with text, so that pages are made of headings, lists and buttons that keyboards know."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from iot_edge_anomaly.core.errors import IotEdgeAnomalyError

MOST_PROBLEMS = 3


def text(tag: str, content: str = "", classes: str = "") -> TextElement:
    """Add an element that holds nothing but text."""
    return TextElement(tag=tag, text=content).classes(classes)


def box(classes: str, tag: str = "div") -> ui.element:
    """Add an element for others."""
    return ui.element(tag).classes(classes)


def button(label: str, act: Callable[[], Awaitable[None] | None], classes: str = "", hint: str = "") -> TextElement:
    """Add a button; `hint` is told to screen readers and shown on hover."""
    made = text("button", label, classes).on("click", lambda _: act())
    made.props["type"] = "button"
    if hint:
        made.props["title"] = hint
    return made


def link(label: str, address: str, classes: str = "") -> TextElement:
    """Add a link."""
    made = text("a", label, classes)
    made.props["href"] = address
    return made


def field(label: str, name: str, value: str = "", kind: str = "text", classes: str = "") -> ui.element:
    """Add a field of a form with its label, and return the field; what a person types is never written over."""
    with box(f"field {classes}", "label"):
        text("span", label)
        made = box("", "input")
    made.props.update({"name": name, "type": kind, "defaultValue": value, "autocomplete": "off"})
    return made


def choice(label: str, name: str, options: Mapping[str, str], chosen: str = "") -> ui.element:
    """Add a field that offers values, each with its title."""
    with box("field", "label"):
        text("span", label)
        with box("", "select") as made:
            for value, title in options.items():
                option = text("option", title)
                option.props["value"] = value
                if value == chosen:
                    option.props["selected"] = True
    made.props["name"] = name
    return made


def on_submit(form: ui.element, act: Callable[[Mapping[str, str]], Awaitable[None] | None]) -> None:
    """Call with the fields of a form when a person sends it; a dialog around it closes."""
    form.on(
        "submit",
        lambda event: act(event.args),
        js_handler="""e => {
            e.preventDefault();
            emit(Object.fromEntries(new FormData(e.target)));
            e.target.closest("dialog")?.close();
        }""",
    )


def asking(title: str) -> ui.element:
    """Add a dialog that asks for something; it is shown by `open_dialog`."""
    dialog = box("asking", "dialog")
    with dialog:
        dialog.props["aria-labelledby"] = text("h2", title).html_id
    return dialog


def open_dialog(dialog: ui.element) -> None:
    """Open a `dialog`: the browser keeps the focus in it, closes it with Escape, and gives the focus back."""
    ui.run_javascript(f"document.getElementById('{dialog.html_id}').showModal()")


def set_classes(element: ui.element, classes: str) -> None:
    """Replace an element's classes, and send nothing if they are the same."""
    if element.classes != classes.split():
        element.classes(replace=classes)


def set_prop(element: ui.element, name: str, value: str) -> None:
    """Set an attribute, and send nothing if it is the same."""
    if element.props.get(name) != value:
        element.props[name] = value


def show(element: ui.element, wanted: bool) -> None:
    """Show or hide an element."""
    if element.visible != wanted:
        element.set_visibility(wanted)


async def do(act: Awaitable[None], done: str) -> None:
    """Await what a person asked for; tell that it is done, or why not."""
    await do_all([act], done)


async def do_all(acts: Sequence[Awaitable[None]], done: str) -> None:
    """Await all that a person asked for; tell what is done, and why what is not."""
    ends = await asyncio.gather(*acts, return_exceptions=True)
    problems: dict[str, Any] = {}
    for end in ends:
        if isinstance(end, IotEdgeAnomalyError):
            problems[str(end)] = None
        elif end is not None:
            raise end
    failed = sum(end is not None for end in ends)
    if len(ends) > failed:
        told = done if len(ends) == 1 else f"{done}: {len(ends) - failed} of {len(ends)}"
        ui.notify(told, position="bottom", color="dark")
    if problems:
        ui.notify("\n".join([*problems][:MOST_PROBLEMS]), type="negative", position="bottom", multi_line=True)
