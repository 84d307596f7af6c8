"""What every page is held to: nothing serious for assistive technology, nothing beside the edge of the screen."""

from collections.abc import Iterator
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SIZES = {"desktop": (1280, 860), "phone": (390, 844)}
LOOKS = [(scheme, size) for scheme in ("light", "dark") for size in SIZES]
GRAVE = ("serious", "critical")


@contextmanager
def looked_at(page: Page, scheme: str, size: str) -> Iterator[Page]:
    """The page in a colour scheme and a size; afterwards it must be fit for all."""
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    yield page
    assert fits(page)
    faults = grave_faults(page)
    assert not faults, "\n".join(faults)


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def grave_faults(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for fault in found
        if fault["impact"] in GRAVE
        for node in fault["nodes"]
    ]
