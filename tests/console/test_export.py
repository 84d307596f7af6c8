"""The rows of an asset are downloaded from its page; what cannot be is said."""

from pathlib import Path

import httpx
import pytest
from console_process import ANNA, GUEST, ConsoleProcess  # type: ignore[import-not-found]
from playwright.sync_api import Page, expect

from iot_edge_anomaly.security.principal import Principal

ASSET = "demo/station-1/pumping/line-1/pump-1"


def asked_for(console: ConsoleProcess, who: Principal = ANNA, **changed: str) -> httpx.Response:
    query = {"asset": ASSET, "what": "scores", "form": "csv", "span": "all", **changed}
    with httpx.Client(base_url=console.url, follow_redirects=True) as browser:
        browser.get(console.link(who))
        return browser.get("/export", params=query)


@pytest.mark.system
def test_a_person_chooses_and_the_browser_downloads(console: ConsoleProcess, page: Page, tmp_path: Path) -> None:
    page.goto(console.link(GUEST))
    page.goto(f"{console.url}/asset/{ASSET}")
    page.get_by_role("button", name="Export…").click()
    dialog = page.get_by_role("dialog", name="Export")
    dialog.get_by_label("What").select_option("readings")
    dialog.get_by_label("Time").select_option("7d")
    with page.expect_download() as downloading:
        dialog.get_by_role("button", name="Download").click()
    assert downloading.value.suggested_filename == "pump-1-readings.csv"
    downloading.value.save_as(tmp_path / "file.csv")
    assert (tmp_path / "file.csv").read_text() == f"guest,{ASSET},readings,csv,some\n"
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("heading", name="pump-1")).to_be_visible()


def test_all_that_is_kept_is_asked_for_without_a_time(console: ConsoleProcess) -> None:
    assert asked_for(console).text == f"anna,{ASSET},scores,csv,all\n"


def test_no_file_is_left_behind(own_console: ConsoleProcess) -> None:
    before = set(Path("/tmp").glob("iot-edge-anomaly-export-*"))
    for what in ("scores", "corrections"):
        asked_for(own_console, what=what)
    assert set(Path("/tmp").glob("iot-edge-anomaly-export-*")) <= before


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"what": "corrections"}, 400, "There are no such corrections"),
        ({"asset": "rival/press-1"}, 400, "anna"),
        ({"asset": "<script>"}, 400, "must read tenant"),
        ({"what": "secrets"}, 422, ""),
        ({"form": "../../etc/passwd"}, 422, ""),
    ],
)
def test_what_cannot_be_exported_is_said(
    console: ConsoleProcess, changed: dict[str, str], status: int, words: str
) -> None:
    answer = asked_for(console, **changed)
    assert answer.status_code == status
    assert words in answer.text
    assert "<script>" not in answer.text


def test_a_bus_that_is_down_is_said(console_without_bus: ConsoleProcess) -> None:
    answer = asked_for(console_without_bus)
    assert answer.status_code == 503
    assert "The bus is down" in answer.text


def test_whoever_has_not_signed_in_gets_no_file(console: ConsoleProcess) -> None:
    assert httpx.get(f"{console.url}/export", params={"asset": ASSET, "what": "scores"}).status_code == 303
