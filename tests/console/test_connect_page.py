"""Connecting a source as a person does it: a real browser, a whole system, real brokers and publishers."""

import re
import shlex
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from mosquitto_process import MosquittoProcess, publish_all  # type: ignore[import-not-found]
from playwright.sync_api import Page, expect
from seen import LOOKS, grave_faults, looked_at  # type: ignore[import-not-found]
from whole_system import WholeSystem  # type: ignore[import-not-found]

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.console.connect.written import PROTOCOLS
from iot_edge_anomaly.security.devices import devices
from iot_edge_anomaly.security.principal import Permission, Principal, owner
from modbus_servers import Server  # type: ignore[import-not-found]

pytestmark = [pytest.mark.system, pytest.mark.server]

ADA = Principal("ada", frozenset({"acme"}), frozenset(Permission))
GUEST = Principal("guest", frozenset({"acme"}), frozenset({Permission.READ}))
PLANT = {
    "plant/line-3/pump-9/flow": b"12.5",
    "plant/line-3/pump-9/pressure": b'{"value": 3.4}',
    "plant/line-3/pump-9/mode": b"running",
    "office/lamp": b'{"on": 1}',
}


def go(page: Page, system: WholeSystem, path: str, who: Principal | None = None) -> None:
    page.goto(system.link(who or owner()))
    page.goto(system.url + path)


@contextmanager
def publishing(port: int) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=publish_all, args=(port, PLANT, stop))
    thread.start()
    yield
    stop.set()
    thread.join(10)


def test_a_source_at_a_broker_is_tested_mapped_and_learned(system: WholeSystem, page: Page, tmp_path: Path) -> None:
    with MosquittoProcess(tmp_path, user="plc", password="right") as broker, publishing(broker.port):
        go(page, system, "/connect?by=broker")
        page.get_by_label("Port").fill(str(broker.port))
        page.get_by_label("User").fill("plc")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Test the connection").click()
        expect(page.get_by_text("does not let 'plc' in: a wrong user name or a wrong password")).to_be_visible()
        page.get_by_label("Password").fill("right")
        page.get_by_role("button", name="Test the connection").click()
        expect(page.get_by_text(re.compile("lets us in: .* 4 topics"))).to_be_visible(timeout=20_000)
        expect(page.get_by_label("Pattern")).to_have_value("plant/{level2}/{asset}/{sensor}")
        expect(page.get_by_role("button", name="Save and connect")).to_be_disabled()
        page.get_by_label("Tenant").fill("acme")
        row = page.locator(".messages tr", has_text="pump-9/flow")
        expect(row).to_contain_text("acme/line-3/pump-9: flow = 12.5")
        expect(page.locator(".messages tr", has_text="mode")).to_contain_text("Set aside: cannot read the message")
        expect(page.locator(".messages tr", has_text="office/lamp")).to_contain_text("Not taken")
        page.get_by_label("Pattern").fill("plant/{asset}/+/{sensor}")
        expect(row).to_contain_text("acme/line-3: flow = 12.5")
        page.get_by_label("Pattern").fill("plant/{line}/{asset}/{sensor}")
        page.get_by_label("Seconds from row to row").fill("0.2")
        expect(page.locator(".difference")).to_contain_text('+pattern = "plant/{line}/{asset}/{sensor}"')
        expect(page.get_by_label("Port")).to_have_value(str(broker.port))
        assert grave_faults(page) == []
        page.get_by_role("button", name="Save and connect").click()
        expect(page.get_by_text(re.compile(r"mqtt-\d is up; \d+ values came in"))).to_be_visible(timeout=20_000)
        expect(page.locator(".arrivals .row", has_text="acme/line-3/pump-9")).to_contain_text(
            re.compile("learning: [1-9][0-9]*%, about", re.IGNORECASE), timeout=30_000
        )
        expect(page.locator(".arrivals")).to_contain_text("Set aside, see System: mqtt: cannot read the message")
    text = (system.data_dir / "console.toml").read_text()
    assert f"port = {broker.port}" in text
    assert "right" not in text


def test_a_device_of_the_listener_is_made_shown_once_and_its_first_message_seen(
    system: WholeSystem, page: Page
) -> None:
    go(page, system, "/connect?by=listener", ADA)
    page.get_by_label("Name of the device").fill("pump 1")
    page.get_by_role("button", name="Create the device").click()
    expect(page.get_by_text("must be 1 to 64 letters")).to_be_visible()
    page.get_by_label("Name of the device").fill("pump-1")
    page.get_by_role("button", name="Create the device").click()
    expect(page.get_by_text("The listener lets it in.")).to_be_visible(timeout=20_000)
    command = page.locator(".command code").first.text_content()
    assert command is not None
    assert f"-p {system.mqtt_port}" in command
    page.get_by_role("button", name="Copy: Publish a row").click()
    expect(page.get_by_role("button", name="Copy: Publish a row")).to_have_text("Copied")
    subprocess.run(shlex.split(command), check=True, timeout=20)
    row = page.locator(".arrivals .row", has_text="acme/site-1/hall-2/line-3/pump-1")
    expect(row).to_be_visible(timeout=20_000)
    (device,) = [one for one in devices(system.data_dir) if one.user == "pump-1"]
    page.reload()
    expect(page.get_by_role("heading", name="A device of the built-in listener")).to_be_visible()
    assert device.password not in page.content()


def test_a_program_gets_a_token_of_its_own_and_its_first_reading_is_seen(system: WholeSystem, page: Page) -> None:
    go(page, system, "/connect?by=http", ADA)
    page.get_by_label("Whom the token is for").fill("plc-7")
    page.get_by_role("button", name="Create the token").click()
    expect(page.get_by_text("Waiting for the first reading of acme")).to_be_visible()
    command = page.locator(".command code").nth(1).text_content()
    assert command is not None
    subprocess.run(shlex.split(command), check=True, timeout=20, capture_output=True)
    expect(page.locator(".arrivals .row", has_text="acme/site-1/hall-2/line-3/pump-6")).to_be_visible(timeout=20_000)
    token = page.locator(".command code").first.text_content()
    headers = {"Authorization": f"Bearer {token}"}
    foreign = httpx.post(
        f"http://127.0.0.1:{system.gateway_port}/v1/readings",
        json={"asset": "rival/pump", "rows": [{"flow": 1}]},
        headers=headers,
    )
    assert foreign.status_code == 403
    assert httpx.get(f"http://127.0.0.1:{system.gateway_port}/v1/assets", headers=headers).status_code == 403


def test_a_file_is_looked_at_and_then_read(system: WholeSystem, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text("time,flow,pressure\n" + "".join(f"2026-01-01T00:00:{n:02}Z,{n},3.4\n" for n in range(20)))
    go(page, system, "/connect?by=csv")
    page.get_by_label("Path of the file").fill(str(tmp_path / "missing.csv"))
    page.get_by_label("Asset").fill("acme/site-1/pump-8")
    page.get_by_role("button", name="Look at the file").click()
    expect(page.get_by_text("No such file or directory")).to_be_visible()
    page.get_by_label("Path of the file").fill(str(file))
    page.get_by_role("button", name="Look at the file").click()
    expect(page.get_by_role("heading", name="2 sensors")).to_be_visible()
    expect(page.locator("tbody tr").nth(3)).to_contain_text("2026-01-01 00:00:03 UTC")
    page.get_by_role("button", name="Save and connect").click()
    expect(page.locator(".arrivals .row", has_text="acme/site-1/pump-8")).to_be_visible(timeout=20_000)


def test_a_modbus_device_is_written_down_line_by_line_and_read(system: WholeSystem, page: Page, tmp_path: Path) -> None:
    with Server(tmp_path, {1: {"input": {0: struct.pack(">f", 12.5)}}}).start() as plc:
        go(page, system, "/connect?by=written")
        tables = page.get_by_label("Its tables")
        expect(tables).to_have_value(re.compile('type = "modbus"'))
        written = f"""[[connector]]
type = "modbus"
host = "127.0.0.1"
port = {plc.port}

[[connector.devices]]
unit = 1
asset = "acme/line-5/plc-1"
seconds = 0.2
points = [{{ sensor = "flow", kind = "inptu", address = 0, type = "float32" }}]
"""
        tables.fill(written)
        expect(page.locator(".problems")).to_contain_text("line 10")
        expect(page.get_by_role("button", name="Save and connect")).to_be_disabled()
        tables.fill(written.replace("inptu", "input"))
        expect(page.locator(".problems li")).to_have_count(0)
        assert grave_faults(page) == []
        page.get_by_role("button", name="Save and connect").click()
        expect(page.get_by_text(re.compile(r"modbus-\d is up; \d+ values came in"))).to_be_visible(timeout=20_000)
        expect(page.locator(".arrivals .row", has_text="acme/line-5/plc-1")).to_be_visible(timeout=20_000)
    assert f"port = {plc.port}" in (system.data_dir / "console.toml").read_text()


def test_each_protocol_begins_with_an_example_that_can_be_read(system: WholeSystem, page: Page) -> None:
    go(page, system, "/connect?by=written")
    for kind, title in PROTOCOLS.items():
        page.get_by_label("Protocol", exact=True).select_option(title)
        expect(page.get_by_label("Its tables")).to_have_value(re.compile(f'type = "{kind}"'))
        expect(page.locator(".problems li")).to_have_count(0)
        expect(page.get_by_role("button", name="Save and connect")).to_be_enabled()
    go(page, system, "/connect?by=written", ADA)
    expect(page.get_by_text("only who may configure all may connect")).to_be_visible()
    expect(page.get_by_role("button", name="Save and connect")).to_have_count(0)


def test_where_no_broker_is_the_page_says_so_and_offers_nothing_to_save(system: WholeSystem, page: Page) -> None:
    go(page, system, "/connect?by=broker", ADA)
    page.get_by_label("Port").fill("70000")
    page.get_by_role("button", name="Test the connection").click()
    expect(page.get_by_text("65535")).to_be_visible()
    page.get_by_label("Port").fill(str(free_port()))
    page.get_by_role("button", name="Test the connection").click()
    expect(page.get_by_text("nothing listens at 127.0.0.1:")).to_be_visible()
    expect(page.get_by_role("button", name="Save and connect")).to_be_hidden()
    expect(page.get_by_label("Certificate authority")).to_be_hidden()


def test_a_guest_may_look_at_nothing_secret_and_make_nothing(system: WholeSystem, page: Page) -> None:
    go(page, system, "/connect?by=listener", GUEST)
    expect(page.get_by_text("takes the permission 'configure', which guest does not have")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Create|Test|Save"))).to_have_count(0)
    go(page, system, "/connect?by=csv", ADA)
    expect(page.get_by_text("read for those only who may configure all tenants")).to_be_visible()
    expect(page.get_by_label("Path of the file")).to_have_count(0)


def test_the_keyboard_alone_makes_a_device(system: WholeSystem, page: Page) -> None:
    go(page, system, "/connect", ADA)
    page.get_by_role("link", name="MQTT device").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Name of the device").focus()
    page.keyboard.type("by-keyboard")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Device by-keyboard")).to_be_visible()


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_phone_and_desktop_light_and_dark_keep_nobody_out(
    system: WholeSystem, page: Page, scheme: str, size: str
) -> None:
    go(page, system, "/connect")
    for way in ("MQTT device", "Your own broker", "HTTP", "Modbus, OPC UA, Sparkplug", "CSV file"):
        with looked_at(page, scheme, size):
            page.get_by_role("link", name=way).click()
            expect(page.locator(".walk .form").first).to_be_visible()
            expect(page.locator(".count")).not_to_be_empty()
    with looked_at(page, scheme, size):
        page.get_by_role("link", name="HTTP").click()
        page.get_by_label("Tenant").fill("acme")
        page.get_by_label("Whom the token is for").fill(f"plc-{scheme}-{size}")
        page.get_by_role("button", name="Create the token").click()
        expect(page.locator(".arrivals")).to_be_visible()
