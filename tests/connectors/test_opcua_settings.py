"""What may be said of an OPC UA server: nothing insecure unless it is written out; mistakes tell what to write."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from iot_edge_anomaly.app.settings import check
from iot_edge_anomaly.connectors.opcua import OpcUaBrowse, OpcUaPoint, OpcUaSettings
from iot_edge_anomaly.security.secrets import Secret

URL = "opc.tcp://plc-7:4841/plant"
FLOW = OpcUaPoint(node="ns=2;s=Pump7.Flow", asset="acme/site/pump-7", sensor="flow")
KEPT = {"certificate": "c.pem", "private_key": "k.pem", "trusted": "s.pem"}


def settings(**changed: Any) -> OpcUaSettings:
    return OpcUaSettings(**{"url": URL, "points": (FLOW,), **KEPT, **changed})


def test_encrypted_signed_and_trusted_is_what_is_not_said_otherwise() -> None:
    said = settings()
    assert (said.security, said.mode, said.user, said.plain_password) == (
        "Basic256Sha256",
        "SignAndEncrypt",
        None,
        False,
    )
    assert (said.host, said.port) == ("plc-7", 4841)
    assert settings().endpoint == URL
    assert settings(url="opc.tcp://plc-7/x").endpoint == "opc.tcp://plc-7:4840/x"
    assert settings(url="opc.tcp://[fe80::7]").endpoint == "opc.tcp://[fe80::7]:4840"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"url": "plc-7:4840"}, "url must read opc.tcp://host:port"),
        ({"url": "opc.tcp://plc-7:99999"}, "url must read opc.tcp://host:port"),
        ({"url": "opc.tcp://me:secret@plc-7"}, "url must hold no user"),
        ({"certificate": None}, 'certificate must be given with security = "Basic256Sha256"'),
        ({"certificate": None, "trusted": None}, "certificate, trusted must be given"),
        ({"trusted": None}, 'security = "None" would trust whoever answers'),
        ({"security": "None"}, 'certificate is of no use with security = "None"'),
        ({"points": ()}, "say what to subscribe to"),
        ({"points": (FLOW, FLOW)}, "points name the sensor 'flow' of acme/site/pump-7 twice"),
        ({"password": Secret(env="X")}, "password is given without user"),
        ({"user": "me", "password": Secret(env="X"), "mode": "Sign"}, "plain_password = true"),
        ({"user_certificate": "u.pem"}, "must be given together"),
    ],
)
def test_settings_that_cannot_work_or_are_not_safe_say_what_to_write(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        settings(**changed)


def test_what_is_not_safe_can_be_written_out() -> None:
    none = dict.fromkeys(KEPT)
    assert settings(security="None", **none).security == "None"
    assert settings(security="None", user="me", password=Secret(env="X"), plain_password=True, **none).user == "me"


@pytest.mark.parametrize(
    "node",
    ["i=2258", "ns=2;i=1005", "ns=3;s=a;b=c", "nsu=urn:plant:x;s=Flow", "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a"],
)
def test_a_node_id_is_written_as_everybody_writes_it(node: str) -> None:
    assert OpcUaPoint(node=node, asset="acme/pump", sensor="x").node == node


@pytest.mark.parametrize("node", ["", "Flow", "ns=2", "ns=x;i=1", "ns=2;i=x", "ns=2;g=1"])
def test_what_is_no_node_id_is_told(node: str) -> None:
    with pytest.raises(ValueError, match="must be a NodeId such as ns=2;s=Pump7"):
        OpcUaPoint(node=node, asset="acme/pump", sensor="x")


@pytest.mark.parametrize(("asset", "sensor"), [("pump", "x"), ("acme/pump", ""), ("acme/pump", "time")])
def test_names_that_cannot_be_are_told(asset: str, sensor: str) -> None:
    with pytest.raises(ValueError, match=r"asset name|sensor"):
        OpcUaPoint(node="i=1", asset=asset, sensor=sensor)


def test_a_branch_names_a_tenant_at_least() -> None:
    assert OpcUaBrowse(asset="acme").start == "i=85"
    with pytest.raises(ValueError, match="asset name"):
        OpcUaBrowse(asset="")


def test_sources_of_two_connectors_differ_and_of_one_do_not_change() -> None:
    ours = settings()
    assert ours.source() == settings(password=Secret(env="X"), user="me").source()
    assert ours.source() != settings(points=(msgspec.structs.replace(FLOW, node="i=7"),)).source()


def test_points_and_branches_are_written_in_a_file() -> None:
    text = """
[[connector]]
type = "opcua"
url = "opc.tcp://plc-7:4840"
security = "None"
points = [{ node = "ns=2;s=Flow", asset = "acme/pump-7", sensor = "flow" }]
[[connector.browse]]
start = "ns=2;s=Plant"
asset = "acme/site-1"
asset_levels = 1
"""
    read, problems = check(text, "plant.toml")
    assert problems == []
    (said,) = read.connectors
    assert isinstance(said, OpcUaSettings)
    assert said.browse == (OpcUaBrowse(start="ns=2;s=Plant", asset="acme/site-1", asset_levels=1),)
    (problem,) = check(text.replace("ns=2;s=Flow", "Flow"), "plant.toml")[1]
    assert "NodeId" in str(problem)


def test_what_every_process_loads_does_not_load_the_library() -> None:
    listing = "import sys, iot_edge_anomaly.connectors.catalog; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout.split()
    assert "iot_edge_anomaly.connectors.opcua" in loaded
    assert not {"asyncua", "cryptography"}.intersection(loaded)
