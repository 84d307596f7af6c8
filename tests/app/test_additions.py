"""What is set up in the console comes on top of `--config`, and what runs takes it up: only what it concerns."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from iot_edge_anomaly.app.additions import added, changes, check_added, with_added
from iot_edge_anomaly.app.plan import Plan, rules
from iot_edge_anomaly.app.settings import Settings
from iot_edge_anomaly.app.taking_in import take_in
from iot_edge_anomaly.bus.settings import BusAddress
from iot_edge_anomaly.connectors.health import read_health
from iot_edge_anomaly.connectors.host import HostSettings
from iot_edge_anomaly.connectors.mqtt import MqttSettings
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.messages import Batch, Item
from iot_edge_anomaly.operations.configure import added_file
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings
from iot_edge_anomaly.security.private_file import write_private

ADDRESS = BusAddress("nats://127.0.0.1:1", None, None, 2, 1 << 20)
BASE = Settings(connectors=(HostSettings("acme/base", seconds=0.1),), rules=(AssetRule("*", AssetSettings(3.0)),))


def host(name: str) -> str:
    return f'[[connector]]\ntype = "host"\nasset = "acme/{name}"\nseconds = 0.1\n'


def write(data_dir: Path, text: str) -> None:
    write_private(added_file(data_dir), text.encode())


def test_additions_come_last_so_that_their_rules_win(tmp_path: Path) -> None:
    assert with_added(BASE, tmp_path) == BASE
    write(tmp_path, host("more") + '[[asset]]\nmatch = "acme/*"\ngrid_seconds = 5.0\n')
    both = with_added(BASE, tmp_path)
    assert both.connectors == (BASE.connectors[0], HostSettings("acme/more", seconds=0.1))
    assert [rule.match for rule in both.rules] == ["*", "acme/*"]
    assert rules(Plan(BASE, tmp_path)) == both.rules


def test_passwords_are_found_from_the_data_folder_on(tmp_path: Path) -> None:
    write(
        tmp_path,
        '[[connector]]\ntype = "mqtt"\ntopics = ["#"]\nuser = "u"\npassword = { file = "security/b.password" }\n'
        '[[connector]]\ntype = "mqtt"\ntopics = ["plant/#"]\npassword = { env = "PASSWORD" }\n',
    )
    here, elsewhere = added(tmp_path).connectors
    assert isinstance(here, MqttSettings)
    assert isinstance(elsewhere, MqttSettings)
    assert here.password is not None
    assert here.password.file == str(tmp_path / "security" / "b.password")
    assert elsewhere.password is not None
    assert elsewhere.password.env == "PASSWORD"


def test_tables_that_are_read_at_start_do_not_belong_there(tmp_path: Path) -> None:
    _, problems = check_added('[[asset]]\nmatch = "a/*"\n\n[gateway]\nport = 9000\n')
    assert [(problem.line, problem.key) for problem in problems] == [(4, "gateway")]
    assert "belongs in the file that --config names" in problems[0].text
    assert [problem.key for problem in check_added('[[sink]]\nname = "out"\n')[1]][-1:] == ["sink"]
    write(tmp_path, "[bus]\nport = 1\n")
    with pytest.raises(ConfigError, match=r"console\.toml:1: bus: only"):
        with_added(BASE, tmp_path)


def test_two_connectors_must_not_take_a_session_from_each_other() -> None:
    broker = '[[connector]]\ntype = "mqtt"\nhost = "b"\ntopics = ["plant/#"]\n'
    (problem,) = check_added(broker + broker)[1]
    assert (problem.line, "reads the same topics of this broker" in problem.text) == (5, True)
    assert check_added(broker + broker + 'client_id = "second"\n')[1] == []
    assert check_added(broker + broker.replace('"b"', '"c"'))[1] == []


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    added_file(tmp_path).write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="restore it or move it away"):
        added(tmp_path)


def test_every_change_of_a_file_is_seen(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "file"
        following = changes(path, look_seconds=0.01)
        await anext(following)
        for content in ("one", "two", "two", ""):
            write_private(path, content.encode())
            await anext(following)
        path.unlink()
        await anext(following)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await anext(following)

    asyncio.run(scenario())


class Intake:
    """Counts what came in, by asset."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.sources: set[tuple[str, int]] = set()

    async def accept(self, items: Sequence[Item]) -> None:
        for item in items:
            assert isinstance(item, Batch)
            self.counts[item.asset] = self.counts.get(item.asset, 0) + 1
            self.sources.add((item.asset, item.epoch))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.02)


def names(data_dir: Path) -> set[str]:
    return {one.name for one in read_health(data_dir)}


def test_a_change_starts_and_stops_what_it_concerns_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        intake = Intake()
        task = asyncio.create_task(take_in(BASE, tmp_path, ADDRESS, intake))
        await until(lambda: "base" in intake.counts)
        write(tmp_path, host("more"))
        await until(lambda: "more" in intake.counts)
        write(tmp_path, "[[connector]\n")
        before = dict(intake.counts)
        await until(lambda: intake.counts["more"] > before["more"] + 15)  # longer than it takes to look again
        write(tmp_path, host("other"))
        await until(lambda: "other" in intake.counts)
        at_its_end = intake.counts["more"]
        await until(lambda: names(tmp_path) == {"host-0", "host-1"})
        write(tmp_path, "")
        await until(lambda: names(tmp_path) == {"host-0"})
        assert intake.counts["more"] == at_its_end
        assert len({epoch for asset, epoch in intake.sources if asset == "base"}) == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
