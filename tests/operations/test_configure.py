"""What is set up in the console: who may, what is refused, what is kept, and that nothing is half done."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from operations_bus import served  # type: ignore[import-not-found]

from iot_edge_anomaly.app.additions import findings
from iot_edge_anomaly.connectors.csv_file import CsvSettings
from iot_edge_anomaly.connectors.mqtt import MqttSettings
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError, RejectedError
from iot_edge_anomaly.operations.configure import (
    FILE,
    Configure,
    Invalid,
    blocks_of,
    difference,
    read_added,
)
from iot_edge_anomaly.security.principal import ForbiddenError, Permission, Principal, owner

ADA = Principal("ada", frozenset({"acme"}), frozenset(Permission))
GUEST = Principal("guest", "*", frozenset({Permission.READ, Permission.OPERATE}))
BROKER = MqttSettings(host="broker", pattern="plant/{asset}/{sensor}", tenant="acme")
LIMITS = '[[asset]]\nmatch = "acme/*"\ngrid_seconds = 2.0\n'


def with_configure(folder: Path, act: Callable[[Configure], Awaitable[None]]) -> None:
    async def run() -> None:
        async with served(folder) as bus:
            await act(Configure(bus, folder, findings))

    asyncio.run(run())


@pytest.mark.server
def test_a_text_is_put_in_force_kept_in_versions_and_brought_back(tmp_path: Path) -> None:
    async def act(configure: Configure) -> None:
        await configure.apply(owner("olga"), LIMITS, "", "limits of line 3")
        await configure.apply(owner("otto"), LIMITS.replace("2.0", "5.0"), LIMITS)
        newest, first = await configure.versions(owner())
        assert (newest.by, first.by, first.text, first.note) == ("otto", "olga", LIMITS, "limits of line 3")
        assert newest.at_ns > first.at_ns
        await configure.apply(owner(), first.text, newest.text, "back")
        assert read_added(tmp_path) == LIMITS
        assert len(await configure.versions(owner())) == 3

    with_configure(tmp_path, act)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


@pytest.mark.server
def test_what_is_wrong_is_refused_with_line_and_key_and_changes_nothing(tmp_path: Path) -> None:
    async def act(configure: Configure) -> None:
        await configure.apply(owner(), LIMITS, "")
        for text, line, key in (
            (LIMITS + "grid_secnods = 3\n", 4, "asset.grid_secnods"),
            ("[bus]\nport = 4222\n", 1, "bus"),
            ("[[asset\n", 1, ""),
            ('[[connector]]\ntype = "fax"\n', 2, "connector.type"),
            ('[[connector]]\ntype = "mqtt"\ntopics = ["#"]\npattern = "a/b"\ntenant = "acme"\n', 1, "connector"),
        ):
            with pytest.raises(Invalid) as refused:
                await configure.apply(owner(), text, LIMITS)
            assert (refused.value.findings[0].line, refused.value.findings[0].key) == (line, key), text
        assert read_added(tmp_path) == LIMITS
        assert len(await configure.versions(owner())) == 1

    with_configure(tmp_path, act)


@pytest.mark.server
def test_who_looked_at_something_older_is_refused(tmp_path: Path) -> None:
    async def act(configure: Configure) -> None:
        await configure.apply(owner(), LIMITS, "")
        with pytest.raises(RejectedError, match="meanwhile"):
            await configure.apply(owner(), LIMITS + "\n", "")
        outcomes = await asyncio.gather(
            *(configure.apply(owner(), f"{LIMITS}# {number}\n", LIMITS) for number in range(5)), return_exceptions=True
        )
        assert [type(one) for one in outcomes].count(type(None)) == 1
        assert all(isinstance(one, RejectedError) for one in outcomes if one is not None)
        assert (await configure.versions(owner()))[0].text == read_added(tmp_path)

    with_configure(tmp_path, act)


@pytest.mark.server
def test_a_connector_is_added_behind_what_is_there_and_its_password_stands_elsewhere(tmp_path: Path) -> None:
    async def act(configure: Configure) -> None:
        await configure.apply(owner(), "# ours\n" + LIMITS, "")
        await configure.add(ADA, BROKER, {"match": "acme/*", "grid_seconds": 0.5}, "acme", "secret-1")

    with_configure(tmp_path, act)
    text = read_added(tmp_path)
    assert text.startswith("# ours\n" + LIMITS)
    assert "secret-1" not in text
    (kept,) = (tmp_path / "security").glob("broker-*.password")
    assert f'password = {{ file = "security/{kept.name}" }}' in text
    assert kept.read_text() == "secret-1"
    assert kept.stat().st_mode & 0o077 == 0
    assert findings(text) == []


@pytest.mark.server
def test_an_addition_that_fails_leaves_no_password_behind(tmp_path: Path) -> None:
    async def act(configure: Configure) -> None:
        with pytest.raises(Invalid):
            await configure.add(owner(), BROKER, {"match": "acme/*", "nonsense": 1}, "acme", "secret-1")
        (tmp_path / FILE).write_text("[[asset]\n")
        with pytest.raises(RejectedError, match="mend it first"):
            await configure.add(ADA, BROKER, None, "acme", "secret-1")

    with_configure(tmp_path, act)
    assert list((tmp_path / "security").glob("broker-*")) == []
    assert read_added(tmp_path) == "[[asset]\n"


@pytest.mark.server
def test_nobody_sees_or_changes_what_concerns_other_tenants(tmp_path: Path) -> None:
    async def act(configure: Configure) -> None:
        await configure.apply(owner(), LIMITS, "")
        for who in (GUEST, ADA):
            for forbidden in (
                lambda who=who: configure.current(who),
                lambda who=who: configure.findings(who, ""),
            ):
                with pytest.raises(ForbiddenError):
                    forbidden()
            for waiting in (configure.versions(who), configure.apply(who, "", LIMITS)):
                with pytest.raises(ForbiddenError):
                    await waiting
        assert configure.proposal(ADA, "new", "acme") == ("", "new")
        for who, connector, tenant in (
            (GUEST, BROKER, "acme"),
            (ADA, BROKER, "rival"),
            (ADA, MqttSettings(topics=("#",)), "acme"),
            (ADA, MqttSettings(topics=("#",), tenant="rival"), "acme"),
            (ADA, MqttSettings(topics=("#",), tenant="acme", tls=True, ca_file="/etc/shadow"), "acme"),
            (ADA, CsvSettings("/etc/passwd", "acme/pump"), "acme"),
        ):
            with pytest.raises(ForbiddenError):
                await configure.add(who, connector, None, tenant)
        for match in ("*", "acme*", "rival/*", "[ar]*/x"):
            with pytest.raises(ForbiddenError, match="must match assets of 'acme' only"):
                await configure.add(ADA, BROKER, {"match": match, "grid_seconds": 1.0}, "acme")
        assert read_added(tmp_path) == LIMITS

    with_configure(tmp_path, act)


@pytest.mark.server
def test_without_a_store_for_versions_nothing_is_changed(tmp_path: Path) -> None:
    kept: list[Configure] = []

    async def act(configure: Configure) -> None:
        kept.append(configure)

    with_configure(tmp_path, act)
    with pytest.raises(IotEdgeAnomalyError):
        asyncio.run(kept[0].apply(owner(), LIMITS, ""))
    assert read_added(tmp_path) == ""


def test_blocks_say_what_differs_from_the_defaults_and_read_back_the_same() -> None:
    text = blocks_of(BROKER, {"match": 'acme/"line" é\x7f/*', "grid_seconds": 0.5})
    assert text.startswith('[[connector]]\ntype = "mqtt"\nhost = "broker"\npattern = "plant/{asset}/{sensor}"\n')
    assert "port" not in text
    assert findings(text) == []
    assert blocks_of(CsvSettings("a.csv", "acme/pump")) == (
        '[[connector]]\ntype = "csv"\npath = "a.csv"\nasset = "acme/pump"\n'
    )


def test_a_difference_shows_what_goes_and_comes() -> None:
    assert difference("a\nb\nc\n", "a\nB\nc\n")[1:] == [" a", "-b", "+B", " c"]
    assert difference("a\n", "a\n") == []
