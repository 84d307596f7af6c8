"""The page System over a whole system: what runs, records that are mended, configuration that is taken into use."""

import os
import re
import signal
from datetime import UTC, datetime

import httpx
import msgspec
import pytest
from playwright.sync_api import Locator, Page, expect
from seen import LOOKS, looked_at  # type: ignore[import-not-found]
from whole_system import WholeSystem  # type: ignore[import-not-found]

from iot_edge_anomaly.connectors.health import read_health
from iot_edge_anomaly.security.devices import create_device, devices
from iot_edge_anomaly.security.principal import Permission, Principal, owner

pytestmark = [pytest.mark.system, pytest.mark.server]

ADA = Principal("ada", frozenset({"mills"}), frozenset(Permission))
GUEST = Principal("guest", frozenset({"mills"}), frozenset({Permission.READ, Permission.OPERATE}))
BOX = '[[connector]]\ntype = "host"\nasset = "mills/edge/box"\n'


def go(page: Page, system: WholeSystem, path: str, who: Principal | None = None) -> None:
    page.goto(system.link(who or owner()))
    page.goto(system.url + path)


def send(system: WholeSystem, asset: str, row: dict[str, object]) -> None:
    token = (system.data_dir / "security" / "owner.token").read_text().strip()
    answer = httpx.post(
        f"http://127.0.0.1:{system.gateway_port}/v1/readings",
        json={"asset": asset, "source": "plc", "rows": [row]},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 202, answer.text


def role_row(page: Page, role: str) -> Locator:
    return page.locator('section[aria-label="Processes"] tbody tr', has_text=re.compile(f"^{role}"))


def group(page: Page, asset: str) -> Locator:
    return page.locator("article.group", has_text=asset)


def test_what_runs_is_shown_and_a_process_that_was_killed_comes_back(system: WholeSystem, page: Page) -> None:
    go(page, system, "/system")
    for role in ("broker", "worker", "connectors", "gateway", "console"):
        expect(role_row(page, role)).to_contain_text(re.compile(r"up\d+.*MB"))
    expect(page.locator('section[aria-label="Partitions"] table').first.locator("tbody tr:visible")).to_have_count(2)
    expect(page.locator('section[aria-label="Partitions"]')).to_contain_text("views")
    expect(page.locator('section[aria-label="Store"]')).to_contain_text("of 256.0 MB")
    expect(page.locator('section[aria-label="Sources and targets"]')).to_contain_text("embedded-mqtt")
    expect(role_row(page, "trainer")).to_contain_text("up")
    table = msgspec.json.decode((system.data_dir / "run" / "processes.json").read_bytes())
    victim = next(one for one in table if one["role"] == "trainer")
    os.kill(victim["pid"], signal.SIGKILL)
    restarts = role_row(page, "trainer").locator("td").nth(3)
    expect(restarts).to_have_text(str(victim["restarts"] + 1), timeout=20_000)
    expect(role_row(page, "trainer")).to_contain_text(re.compile(r"up\d+.*MB"), timeout=20_000)


def test_a_record_set_aside_is_mended_handed_in_and_used(system: WholeSystem, page: Page) -> None:
    send(system, "mills/site/mill-1", {"flow": "12,5"})
    go(page, system, "/system?show=set-aside", ADA)
    card = group(page, "mills/site/mill-1")
    expect(card).to_contain_text("value is text")
    expect(card).to_contain_text('"12,5"')
    card.get_by_role("button", name="Mend the newest").click()
    payload = card.get_by_label("Payload")
    expect(payload).to_have_value('{"time": "when it was measured", "flow": "12,5"}')
    card.get_by_role("button", name="Hand it in").click()
    expect(card).to_contain_text("time is not ISO 8601")
    payload.fill(f'{{"time": "{datetime.now(UTC).isoformat()}", "flow": 12.5}}')
    card.get_by_role("button", name="Hand it in").click()
    expect(card).to_contain_text(
        re.compile("Handed in, 1 value of mills/site/mill-1: 1 (used|waiting for their moment)"), timeout=20_000
    )
    card.get_by_role("button", name="Close").click()
    expect(card).to_have_count(0)
    expect(page.get_by_text("handed in again or dismissed")).to_be_visible()
    page.goto(f"{system.url}/asset/mills/site/mill-1")
    expect(page.locator(".heading")).to_contain_text("mill-1")


def test_what_cannot_be_mended_says_why_and_what_is_dismissed_stays_away(system: WholeSystem, page: Page) -> None:
    for _ in range(3):
        send(system, "mills/site/mill-2", {"time": "x" * 2000, "flow": 1})
    go(page, system, "/system?show=set-aside", ADA)
    card = group(page, "mills/site/mill-2")
    expect(card).to_contain_text("× 3")
    card.get_by_role("button", name="Mend the newest").click()
    expect(card).to_contain_text("longer than the 1,024 bytes that are kept")
    card.get_by_role("button", name="Dismiss").click()
    expect(card).to_have_count(0)
    page.reload()
    expect(page.get_by_text("handed in again or dismissed")).to_be_visible()
    expect(card).to_have_count(0)
    send(system, "mills/site/mill-2", {"time": "x" * 2000, "flow": 1})
    expect(card).to_be_visible(timeout=20_000)
    expect(card).not_to_contain_text("×")


def test_configuration_is_checked_compared_applied_taken_into_use_and_brought_back(
    system: WholeSystem, page: Page
) -> None:
    file = system.data_dir / "console.toml"
    before = file.read_text() if file.exists() else ""
    go(page, system, "/system?show=configuration")
    editor, apply = page.get_by_label("Text"), page.get_by_role("button", name="Apply")
    expect(editor).to_have_value(before)
    expect(apply).to_be_disabled()
    editor.fill(f"{before}{BOX}secnods = 2\n")
    line = before.count("\n") + 4
    expect(page.locator(".findings")).to_contain_text(f"line {line}: connector.secnods: unknown key")
    expect(apply).to_be_disabled()
    editor.fill(before + BOX)
    expect(page.locator(".changes .comes").first).to_contain_text("+[[connector]]")
    page.get_by_label("Why").fill("the box itself")
    apply.click()
    expect(page.get_by_text("Applied")).to_be_visible()
    expect(page.locator(".version").first).to_contain_text(re.compile("by owner.*the box itself"))
    system.until(lambda: any(one.name.startswith("host-") and one.readings for one in read_health(system.data_dir)))
    file.write_text(f"{before}{BOX}# by hand\n")
    editor.fill(before)
    apply.click()
    expect(page.get_by_text("somebody else changed the configuration meanwhile")).to_be_visible()
    page.get_by_role("button", name="Discard the changes").click()
    expect(editor).to_have_value(f"{before}{BOX}# by hand\n")
    editor.fill(before)
    apply.click()
    expect(page.locator(".version")).not_to_have_count(1)
    system.until(lambda: not any(one.name.startswith("host-") for one in read_health(system.data_dir)))
    version = page.locator(".version", has_text="the box itself")
    version.locator("summary").click()
    version.get_by_role("button", name="Bring it back").click()
    expect(editor).to_have_value(before + BOX)
    expect(apply).to_be_enabled()


def test_who_may_come_in_is_listed_and_taken_away(system: WholeSystem, page: Page) -> None:
    create_device(system.data_dir, "mill-9", "mills")
    create_device(system.data_dir, "press-9", "rival")
    token = system.tokens.create(Principal("plc-9", frozenset({"mills"}), frozenset({Permission.WRITE_READINGS})))
    go(page, system, "/system?show=access", ADA)
    expect(page.get_by_role("region", name="Devices")).to_contain_text("mill-9")
    expect(page.get_by_text("press-9")).to_have_count(0)
    for name in ("mill-9", "plc-9"):
        page.get_by_role("button", name=f"Take away {name}").click()
        page.get_by_role("button", name="Keep it").locator("visible=true").click()
        page.get_by_role("button", name=f"Take away {name}").click()
        page.get_by_role("button", name="Take it away").locator("visible=true").click()
        expect(page.get_by_role("button", name=f"Take away {name}")).to_have_count(0)
    left = {device.user for device in devices(system.data_dir)}
    assert "press-9" in left
    assert "mill-9" not in left
    assert system.tokens.verify(token) is None


def test_secrets_are_hidden(system: WholeSystem, page: Page) -> None:
    go(page, system, "/system?show=configuration")
    expect(page.locator("pre.file")).to_contain_text("# once nats://…@elsewhere:4222")
    assert "hunter2" not in page.content()


def test_a_guest_sees_how_the_system_is_and_changes_nothing(system: WholeSystem, page: Page) -> None:
    send(system, "mills/site/mill-3", {"flow": "x"})
    send(system, "rival/site/press", {"flow": "x"})
    go(page, system, "/system", GUEST)
    expect(role_row(page, "worker")).to_contain_text("up")
    page.goto(f"{system.url}/system?show=set-aside")
    expect(group(page, "mills/site/mill-3")).to_be_visible()
    expect(group(page, "rival/site/press")).to_have_count(0)
    expect(page.locator("#content").get_by_role("button")).to_have_count(0)
    for who in (GUEST, ADA):
        go(page, system, "/system?show=configuration", who)
        expect(page.get_by_text("Not shown:")).to_be_visible()
        expect(page.locator("#content").get_by_role("button")).to_have_count(0)
        assert "plant.toml" not in page.content()


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_every_part_is_fit_for_all(system: WholeSystem, page: Page, scheme: str, size: str) -> None:
    send(system, "mills/site/mill-4", {"flow": "a" * 300})
    go(page, system, "/system")
    with looked_at(page, scheme, size):
        expect(role_row(page, "worker")).to_contain_text("up")
    with looked_at(page, scheme, size):
        page.get_by_role("link", name="Set aside").click()
        card = group(page, "mills/site/mill-4")
        card.get_by_role("button", name="Mend the newest").click()
        expect(card.get_by_label("Payload")).to_be_visible()
    with looked_at(page, scheme, size):
        page.get_by_role("link", name="Access").click()
        page.get_by_role("button", name="Take away owner").first.click()
        expect(page.get_by_role("button", name="Keep it").locator("visible=true")).to_be_focused()
        page.keyboard.press("Enter")
    with looked_at(page, scheme, size):
        page.get_by_role("link", name="Configuration").click()
        page.get_by_label("Text").fill(BOX + "nonsense = 1\n")
        expect(page.locator(".findings")).to_contain_text("unknown key")
        expect(page.locator(".count")).not_to_be_empty()
