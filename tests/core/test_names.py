import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.names import AssetKey, asset_token, from_token, partition_of, sensor_name, to_token

names = st.text(min_size=0, max_size=60).filter(lambda text: text.encode("utf-8", "ignore").decode() == text)


@given(names)
def test_any_name_survives_the_token_and_the_token_is_safe(name: str) -> None:
    token = to_token(name)
    assert from_token(token) == name
    assert token
    assert not set(token) & set(".*> \t\r\n/+#$")
    assert token.isascii()


@given(names, names)
def test_two_names_never_share_a_token(one: str, other: str) -> None:
    assert (to_token(one) == to_token(other)) == (one == other)


@given(st.text(max_size=30))
def test_what_is_no_token_is_refused(text: str) -> None:
    try:
        name = from_token(text)
    except RejectedError:
        return
    assert to_token(name) == text


@pytest.mark.parametrize(
    "name", ["", "  ", "tenant", "tenant/", "/asset", "a//b", "a/ /b", "a/b\n", "x" * 201 + "/y", "a/\ud800"]
)
def test_bad_asset_names_say_why(name: str) -> None:
    with pytest.raises(RejectedError, match="name"):
        AssetKey.parse(name)


@pytest.mark.parametrize("name", ["acme/pump 1", "acme/a.b/c*d", "acme/>/#", "ünï/ポンプ/🦆"])
def test_odd_but_legal_names_are_taken(name: str) -> None:
    key = AssetKey.parse(name)
    assert str(key) == name
    tenant, asset = asset_token(key).split(".")
    assert (from_token(tenant), from_token(asset)) == (key.tenant, key.asset)


def test_equal_names_in_different_unicode_forms_are_one_sensor() -> None:
    assert sensor_name("Drück") == sensor_name("Dru\u0308ck")


def test_the_partition_of_an_asset_never_changes() -> None:
    """Golden: a store made by an older version is read by a newer one."""
    found = [partition_of(AssetKey("demo", f"station/pump-{number}"), 4) for number in range(8)]
    assert found == GOLDEN_PARTITIONS


GOLDEN_PARTITIONS = [0, 0, 0, 1, 0, 1, 2, 2]
