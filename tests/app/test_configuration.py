"""A configuration file that is wrong is told so with the line, the key and what to write instead."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from iot_edge_anomaly.app.additions import check_added
from iot_edge_anomaly.app.settings import check, load, read_text
from iot_edge_anomaly.cli.main import app
from iot_edge_anomaly.connectors.catalog import CATALOG
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import AssetSettings, settings_for

KINDS = ", ".join(CATALOG)

FINE = """
[bus]
quota_mb = 512
password = { env = "X" }

[[connector]]
type = "mqtt"
topics = ["plant/#"]
tenant = "acme"

[[asset]]
match = "acme/*"
grid_seconds = 5
\t[asset.sensors.flow]
\tunit = "m³/h"
\thigh_limit = 14
[asset.sensors."temp_*"]
high_limit = 80.5
"""


def said(text: str, **environment: str) -> list[str]:
    return [str(problem) for problem in check(text, "plant.toml", environment)[1]]


def test_what_is_right_is_read_tabs_and_all() -> None:
    settings, problems = check(FINE, "plant.toml")
    assert problems == []
    assert settings.bus.quota_mb == 512
    (rule,) = settings.rules
    assert type(rule.settings) is AssetSettings
    assert rule.settings.sensors["temp_*"].high_limit == 80.5


def test_how_states_are_told_may_stand_in_several_tables() -> None:
    tables = '[[asset]]\nmatch = "*"\nstate_sensor = "mode"\n[[asset]]\nmatch = "*/pump"\njudged_states = [1, 2.5]\n'
    settings, problems = check(tables, "plant.toml")
    assert problems == []
    found = settings_for(AssetKey("acme", "site/pump"), settings.rules)
    assert (found.state_sensor, found.judged_states, found.settle_seconds) == ("mode", (1.0, 2.5), 30.0)
    assert check_added(tables[tables.index("[[asset]]", 3) :])[1] == [], "the file before it may tell them"


def test_an_empty_file_says_nothing_and_that_is_fine() -> None:
    assert check("", "plant.toml") == check("\n# nothing\n", "plant.toml") == (load(None, {}), [])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[bus]\n\n\nport = '1'", 'plant.toml:4: bus.port: must be a whole number; it is text in "quotes": write 1,'),
        ("[bus]\nquota_mb = '4GB'", "plant.toml:2: bus.quota_mb: must be a whole number; it is text"),
        ("[bus]\nquota_mb = '4GB'", "write 4, the name tells the unit"),
        ("[bus]\nquota_mb = 1.5", "must be a whole number; it is a number"),
        ("[bus]\npartitions = 0", "plant.toml:2: bus.partitions: must be at least 1; it is 0"),
        ("[bus]\nreplicas = 2", "plant.toml:2: bus.replicas: replicas must be 1, 3 or 5"),
        ("[bus]\ndurability = 'safe'", "must be one of power-safe, process-safe; it is 'safe'"),
        ("[bus]\npassword = 'hunter2'", "must be a table"),
        ("[bus]\npassword = 'hunter2'", ', for example { env = "BROKER_PASSWORD" }'),
        ("[bus]\npassword = {}", "plant.toml:2: bus.password: a secret reads"),
        ("[bus]\nquota = 5", "plant.toml:2: bus.quota: unknown key; did you mean quota_mb?"),
        ("bus = 5", "plant.toml:1: bus: must be a table; it is a whole number"),
        ("[buss]\n", "plant.toml:1: buss: unknown table; did you mean bus?"),
        ("x = 1\n[bus]", "plant.toml:1: x: unknown table; known: asset, bus, connector"),
        ("[asset]\nmatch = '*'", "plant.toml:1: asset: write it as [[asset]]"),
        ("[[asset]]\ngrid_seconds = 1", "plant.toml:1: asset: match is missing, for example match ="),
        ("[[asset]]\nmatch = 'pump-1'", 'plant.toml:2: asset.match: no asset is called so; full names read tenant'),
        ("[[asset]]\nmatch = '*'\ngrid = 1", "plant.toml:3: asset.grid: unknown key; did you mean grid_seconds?"),
        ("[[asset]]\nmatch = '*'\ngrid_seconds = '1s'", "must be a number; it is text in \"quotes\": write 1,"),
        ("[[asset]]\nmatch = '*'\ngrid_seconds = nan", "must be at least 0.001; it is nan"),
        ("[[asset]]\nmatch = '*'\nhold_seconds = inf", "must be at most 1e+09; it is inf"),
        ("[[asset]]\nmatch = '*'\nhold_seconds = 00:01:00", "must be a number; it is time"),
        ("[[asset]]\nmatch = '*'\nhigh_limit = 1", "unknown key; it is said of one of the sensors, in a table such as"),
        ("[[asset]]\nmatch = '*'\ndetector = 'linera'", "there is no detector 'linera'; did you mean linear?"),
        ("[[asset]]\nmatch = '*'\nstate_sensor = 1", "plant.toml:3: asset.state_sensor: must be text in"),
        ("[[asset]]\nmatch = '*'\nstate_sensor = 'mode_*'", "plant.toml:3: asset.state_sensor: must name one sensor"),
        ("[[asset]]\nmatch = '*'\nstate_sensor = ' '", "plant.toml:3: asset.state_sensor: sensor name is empty"),
        ("[[asset]]\nmatch = '*'\njudged_states = 1", "plant.toml:3: asset.judged_states: must be a list"),
        ("[[asset]]\nmatch = '*'\njudged_states = ['on']", 'must be a number; it is text in "quotes" (in [0])'),
        ("[[asset]]\nmatch = '*'\njudged_states = [nan]", "must be at least -1e+300; it is [nan] (in [0])"),
        ("[[asset]]\nmatch = '*'\njudged_states = [1, 2]", "plant.toml:3: asset.judged_states: nothing tells a state"),
        ("[[asset]]\nmatch = '*'\nsettle_seconds = -1", "plant.toml:3: asset.settle_seconds: must be at least 0"),
        ("[[connector]]\nhost = 'x'", f"plant.toml:1: connector.type: must be one of {KINDS}; it is missing"),
        ("[[connector]]\ntype = 'mqt'", f"plant.toml:2: connector.type: must be one of {KINDS}; it is 'mqt'"),
        ("[[connector]]\ntype = 'mqtt'\nprefix = 'a'\nversion = '4'", "plant.toml:4: connector.version: must be"),
        ("[[connector]]\ntype = 'mqtt'\ntopics = ['a', 1]", 'must be text in "quotes"; it is a whole number'),
        ("[[connector]]\ntype = 'mqtt'\ntopics = ['a', 1]", "(in [1])"),
        ("[[connector]]\ntype = 'csv'\npath = 'x'", "plant.toml:1: connector: asset is missing"),
        ("[[connector]]\ntype = 'host'\nasset = 'nobody'", "plant.toml:3: connector.asset"),
        ("[bus]\nport = 1\nport = 2\n", "plant.toml:3: Cannot overwrite a value"),
        ("[bus]\nport = 1\n[bus]\n", "plant.toml:3: Cannot declare ('bus',) twice"),
        ("[bus]\nport = \n", "plant.toml:2: Invalid value"),
        ("[bus\n", "plant.toml:1: "),
        ("[bus]\nport = 1\nurl = 'nats", "plant.toml:3: "),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_in_plain_words(text: str, wanted: str) -> None:
    (problem,) = said(text)
    assert wanted in problem
    assert "hunter2" not in problem


def test_every_mistake_is_told_in_the_order_of_lines_also_within_one_table() -> None:
    text = FINE.replace("quota_mb = 512", "quota_mb = '512'\nport = -1\nprot = 1") + "unit = 5\nlow = 'x'\n"
    assert [problem.split(": ")[:2] for problem in said(text)] == [
        ["plant.toml:3", "bus.quota_mb"],
        ["plant.toml:4", "bus.port"],
        ["plant.toml:5", "bus.prot"],
        ["plant.toml:21", "asset.sensors.temp_*.unit"],
        ["plant.toml:22", "asset.sensors.temp_*.low"],
    ]


def test_of_keys_of_one_name_the_right_line_is_told() -> None:
    text = FINE.replace("high_limit = 80.5", "high_limit = '80.5'")
    assert said(text) == [
        'plant.toml:18: asset.sensors.temp_*.high_limit: must be a number; it is text in "quotes": '
        "write 80.5, the name tells the unit"
    ]
    inline = '[[asset]]\nmatch = "*"\nsensors = { flow = { low = 1 }, level = { low = "1" } }'
    assert said(inline)[0].startswith("plant.toml:3: asset.sensors.level.low: ")


def test_the_environment_is_told_by_the_name_of_the_variable() -> None:
    wrong = {"IOT_EDGE_ANOMALY_GATEWAY__PORT": "web", "IOT_EDGE_ANOMALY_GATWAY__HOST": "x", "OTHER__PORT": "y"}
    assert said("[gateway]\nport = 9000", **wrong) == [
        "IOT_EDGE_ANOMALY_GATWAY__HOST: unknown table gatway; did you mean gateway?",
        'IOT_EDGE_ANOMALY_GATEWAY__PORT: must be a whole number; it is text in "quotes"',
    ]
    settings, problems = check("[gateway]\nport = 9000", "plant.toml", {"IOT_EDGE_ANOMALY_GATEWAY__PORT": "9001"})
    assert (settings.gateway.port, problems) == (9001, [])
    assert said("gateway = 5", IOT_EDGE_ANOMALY_GATEWAY__PORT="1") == [
        "plant.toml:1: gateway: must be a table; it is a whole number"
    ]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b'[bus]\nuser = "M\xfcller"\n', "bad.toml:2: this is no UTF-8 text; save the file as UTF-8"),
        ("[bus]\nport = 1\n".encode("utf-16"), "bad.toml:1: this is no UTF-8 text"),
        (b"# nothing\n" * 1_048_576, "bad.toml is larger than 4 MB: is this the configuration file?"),
        (b"\x00\x01", "bad.toml:1: "),
    ],
    ids=["latin-1", "utf-16", "10 MB", "binary"],
)
def test_what_is_no_configuration_file_at_all(tmp_path: Path, content: bytes, wanted: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    done = CliRunner().invoke(app, ["config", "check", str(path)])
    assert isinstance(done.exception, ConfigError)
    assert wanted in str(done.exception)
    with pytest.raises(ConfigError):
        load(path, {})


def test_folders_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        read_text(tmp_path)
    with pytest.raises(ConfigError, match="No such file"):
        read_text(tmp_path / "none.toml")
    (tmp_path / "marked.toml").write_bytes(b"\xef\xbb\xbf[bus]\nport = 5000\n")
    assert load(tmp_path / "marked.toml", {}).bus.port == 5000


def test_a_large_file_of_mistakes_is_told_of_in_fifty_lines(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    path.write_text("[[asset]]\nmatch = '*'\ngrid = 1\n" * 2_000)
    with pytest.raises(ConfigError) as raised:
        load(path, {})
    lines = str(raised.value).splitlines()
    assert len(lines) == 51
    assert lines[-1] == "… and 1950 more"
    assert lines[1].startswith(f"{path}:6: asset.grid")
