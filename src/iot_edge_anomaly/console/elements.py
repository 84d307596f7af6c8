"""Plain HTML elements with text, so that pages are made of headings, lists and buttons that keyboards know."""

from collections.abc import Awaitable, Callable

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from iot_edge_anomaly.core.errors import IotEdgeAnomalyError


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
    try:
        await act
    except IotEdgeAnomalyError as error:
        ui.notify(str(error), type="negative", position="bottom", multi_line=True)
    else:
        ui.notify(done, position="bottom", color="dark")
