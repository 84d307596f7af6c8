"""Topics name assets and sensors."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.connectors.topics import NamespaceTopics, PatternTopics, Place
from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.core.names import AssetKey, sensor_name, to_token


@pytest.mark.parametrize(
    ("topic", "one_value", "asset", "sensor"),
    [
        ("ingress/acme/site/area/line/pump", False, "acme/site/area/line/pump", None),
        ("ingress/acme/site/area/line/pump/flow", True, "acme/site/area/line/pump", "flow"),
        ("ingress/acme/pump/flow", True, "acme/pump", "flow"),
        ("ingress/acme/pump 1.b/flöw", True, "acme/pump 1.b", "flöw"),
    ],
)
def test_a_namespace_topic_ends_in_the_asset_or_for_a_single_value_in_the_sensor(
    topic: str, one_value: bool, asset: str, sensor: str | None
) -> None:
    place = NamespaceTopics("ingress").place(topic, one_value=one_value)
    assert place == Place(AssetKey.parse(asset), sensor)


def test_a_fixed_tenant_owns_every_asset_of_a_broker() -> None:
    place = NamespaceTopics("", "acme").place("site/pump/flow", one_value=True)
    assert place == Place(AssetKey("acme", "site/pump"), "flow")


@pytest.mark.parametrize("topic", ["other/acme/pump", "ingress", "ingress/", "ingress/acme", "ingress//pump", "", "/"])
@pytest.mark.parametrize("one_value", [False, True])
def test_a_topic_that_names_no_asset_is_rejected(topic: str, one_value: bool) -> None:
    with pytest.raises(RejectedError):
        NamespaceTopics("ingress").place(topic, one_value=one_value)


def test_a_single_value_needs_an_asset_before_its_sensor() -> None:
    with pytest.raises(RejectedError):
        NamespaceTopics("ingress").place("ingress/acme/flow", one_value=True)


@pytest.mark.parametrize(
    ("topic", "kept"),
    [("ingress/acme", "acme/unassigned"), ("ingress/a=20b", "a b/unassigned"), ("ingress//x", "unassigned/unassigned")],
)
def test_a_stranger_is_kept_with_its_tenant(topic: str, kept: str) -> None:
    assert str(NamespaceTopics("ingress").unassigned(topic)) == kept
    assert str(PatternTopics("plant/{asset}", "acme").unassigned(topic)) == "acme/unassigned"


segment = st.text(min_size=1, max_size=12).filter(lambda name: name.strip() and "/" not in name)


@given(st.lists(segment, min_size=2, max_size=5), segment)
def test_names_of_any_kind_arrive_as_tokens(levels: list[str], sensor: str) -> None:
    topic = "/".join(["ingress", *map(to_token, [*levels, sensor])])
    try:
        wanted = Place(AssetKey.parse("/".join(levels)), sensor_name(sensor))
    except RejectedError:
        with pytest.raises(RejectedError):
            NamespaceTopics("ingress").place(topic, one_value=True)
    else:
        assert NamespaceTopics("ingress").place(topic, one_value=True) == wanted


@given(st.text(max_size=40), st.booleans())
def test_whatever_the_topic_there_is_a_place_or_a_rejection(topic: str, one_value: bool) -> None:
    for topics in (NamespaceTopics(""), PatternTopics("+/{asset}/{sensor}", "acme")):
        assert str(topics.unassigned(topic)).endswith("/unassigned")
        with suppress(RejectedError):
            place = topics.place(topic, one_value=one_value)
            assert AssetKey.parse(str(place.key)) == place.key


def test_a_pattern_names_levels() -> None:
    topics = PatternTopics("plant/{site}/{line}/+/{asset}/{sensor}", "acme")
    assert topics.subscription == "plant/+/+/+/+/+"
    place = topics.place("plant/berlin/l1/anything/pump/flow", one_value=True)
    assert place == Place(AssetKey("acme", "berlin/l1/pump"), "flow")
    assert PatternTopics("a/{asset}", "acme").place("a/pump", one_value=False) == Place(AssetKey("acme", "pump"), None)


@pytest.mark.parametrize(
    "topic", ["plant/pump", "plant/pump/flow/more", "plot/pump/flow", "plant//flow", "plant/pump/"]
)
def test_a_topic_of_another_shape_is_rejected(topic: str) -> None:
    with pytest.raises(RejectedError):
        PatternTopics("plant/{asset}/{sensor}", "acme").place(topic, one_value=True)


def test_a_pattern_without_an_asset_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigError, match="names no part of an asset"):
        PatternTopics("plant/{sensor}", "acme")
